"""One call of an AWS API in a worker job, as ``AwsCallOperator`` makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.api_call import RefusedCallError, call
from airflow_ml_provider.worker.errors import StepError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.jobs.state import Json


def run(work: Json, connect: Callable[[str], Any]) -> str:
    """Create the resource where it is missing, then make the call.

    :raises StepError: AWS would refuse a request; all problems are named.
    """
    service, action = work["service"], work["action"]
    try:
        # The answer is not shown: nothing refers to it, and it may hold what is nobody's business.
        call(
            connect(service),
            service,
            action,
            work["request"],
            work["resource"],
            creates=work["creates"],
        )
    except RefusedCallError as error:
        raise StepError(str(error)) from error
    return f"{service} {action} was called"
