"""Errors that no retry can heal fail the task at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_ml_provider._compat import AirflowFailException
from airflow_ml_provider.jobs.errors import is_permanent

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_retry_of_permanent_errors() -> Iterator[None]:
    """Turn what AWS will always refuse into the error after which Airflow does not retry.

    :raises AirflowFailException: with AWS's own message.
    """
    try:
        yield
    except Exception as error:
        if is_permanent(error):
            raise AirflowFailException(str(error)) from error
        raise
