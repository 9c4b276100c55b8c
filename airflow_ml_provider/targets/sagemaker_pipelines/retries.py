"""Retry policies of a step.

The service repeats what AWS could not do, never a job that failed:
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_ml_provider.pipeline.step import Retry

MAX_ATTEMPTS = 20
MAX_INTERVAL_SECONDS = 43_200

_CALL = ("Step.SERVICE_FAULT", "Step.THROTTLING")
_JOB = ("SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT")
_ERRORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Processing": (_CALL, _JOB),
    "Training": (_CALL, _JOB),
    "Transform": (_CALL, _JOB),
    # Its jobs are repeated inside, by the RetryStrategy of the request.
    "Tuning": (_CALL, _JOB[1:]),
    "Model": (_CALL,),
    "RegisterModel": (_CALL,),
    "EMRServerless": (_CALL,),
}


def can_retry(step_type: str) -> bool:
    """Whether steps of this type may have policies; the others are repeated by the service."""
    return step_type in _ERRORS


def policies(step_type: str, retries: Sequence[Retry]) -> list[dict[str, Any]]:
    """List the policies of a step: one for each family of errors, since each counts its own."""
    retry = for_service(retries)
    if retry is None or not retry.attempts:
        return []
    return [
        {
            "ExceptionType": list(errors),
            "IntervalSeconds": min(max(retry.interval_seconds, 1), MAX_INTERVAL_SECONDS),
            "BackoffRate": retry.backoff,
            "MaxAttempts": min(retry.attempts, MAX_ATTEMPTS),
        }
        for errors in _ERRORS.get(step_type, ())
    ]


def for_service(retries: Sequence[Retry]) -> Retry | None:
    """Give the first entry that covers what AWS could not do."""
    return next((one for one in retries if one.errors is None or "service" in one.errors), None)
