"""The request that starts a job, held against AWS's own service model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import AirflowFailException

if TYPE_CHECKING:
    from airflow_ml_provider.jobs.kind import JobKind


def checked(kind: JobKind, request: Any, task_id: str) -> dict[str, Any]:
    """Bring a rendered request to the types of AWS's service model.

    :raises AirflowFailException: AWS would refuse it; all its problems are named.
    """
    from airflow_ml_provider.aws.validation import (  # noqa: PLC0415 - imports botocore
        coerce_job_request,
        job_request_problems,
    )

    coerced = coerce_job_request(kind, request)
    if problems := job_request_problems(kind, coerced):
        listed = "\n".join(f"  - {problem}" for problem in problems)
        message = (
            f"AWS would refuse the request of {task_id!r} (defaults such as role_arn come from the "
            f"section [airflow_ml_provider] of Airflow's configuration):\n{listed}"
        )
        raise AirflowFailException(message)
    return coerced
