"""Errors after which a task must not be tried again fail it at once."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import AirflowFailException, AirflowSkipException
from airflow_ml_provider.jobs.errors import is_permanent, is_service_fault

if TYPE_CHECKING:
    from collections.abc import Callable


def ends_for_good(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a task's method raise the error after which Airflow does not retry, where it must not.

    That is what AWS will always refuse, and a failure of a class whose ``attempts`` are used up.
    Airflow counts all tries together: a class may use the first of them.

    :raises AirflowFailException: with the error's own message.
    """

    @wraps(method)
    def run(self: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, context, *args, **kwargs)
        except (AirflowFailException, AirflowSkipException):
            raise
        except Exception as error:
            if is_permanent(error) or _used_up(self, context["ti"], error):
                raise AirflowFailException(str(error)) from error
            raise

    return run


def _used_up(task: Any, ti: Any, error: Exception) -> bool:
    if task.attempts is None:
        return False
    # A person's clear raises max_tries, so that the count begins anew.
    used: int = task.retries - (ti.max_tries + 1 - ti.try_number)
    return bool(used >= task.attempts["service" if is_service_fault(error) else "job"])
