"""Retries of a plan as those of a state: which error names stand for which class of failure.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.plan.nodes import Call, Invoke, Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_ml_provider.pipeline.step import Retry

# States.TaskFailed stands for every error but a timeout, so it comes after the services' own names.
JOB_ERRORS = ("States.TaskFailed", "States.Timeout")
_ALL_ERRORS = ("States.ALL",)
# Errors that SageMaker and Glue have no class for come under a common name: throttling, internal
# errors, but refused requests, too. To repeat one of those in vain is the smaller evil.
_SAGEMAKER = (
    "SageMaker.AmazonSageMakerException",
    "SageMaker.SageMakerException",
    "SageMaker.ResourceLimitExceededException",
    "SageMaker.SdkClientException",
    "SageMaker.ThrottlingException",
)
_GLUE = (
    "Glue.AWSGlueException",
    "Glue.GlueException",
    "Glue.ConcurrentModificationException",
    "Glue.ConcurrentRunsExceededException",
    "Glue.InternalServiceException",
    "Glue.OperationTimeoutException",
    "Glue.ResourceNumberLimitExceededException",
    "Glue.SdkClientException",
    "Glue.ThrottlingException",
)
_EMR_SERVERLESS = (
    "EMRServerless.AWSEMRServerlessException",
    "EMRServerless.InternalServerException",
    "EMRServerless.SdkClientException",
    "EMRServerless.ServiceQuotaExceededException",
    "EMRServerless.ThrottlingException",
)
# https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
_LAMBDA = (
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
)
_SDK = (
    "InternalErrorException",
    "InternalServerErrorException",
    "InternalServerException",
    "InternalServiceException",
    "RequestLimitExceededException",
    "ResourceLimitExceededException",
    "SdkClientException",
    "ServiceQuotaExceededException",
    "ServiceUnavailableException",
    "ThrottledException",
    "ThrottlingException",
    "TooManyRequestsException",
)


def service_errors(node: Job | Call | Invoke, prefix: str = "") -> tuple[str, ...]:
    """Name the errors that say that AWS could not do it; ``prefix`` is that of a call's errors."""
    if isinstance(node, Invoke):
        return _LAMBDA
    if isinstance(node, Call):
        return sdk_errors(prefix)
    return {"glue": _GLUE, "emr_serverless": _EMR_SERVERLESS}.get(node.kind, _SAGEMAKER)


def sdk_errors(prefix: str) -> tuple[str, ...]:
    """Name the service errors of an ``aws-sdk`` integration, the common one of its SDK first."""
    return (f"{prefix}.{prefix}Exception", *(f"{prefix}.{error}" for error in _SDK))


def retriers(retries: Sequence[Retry], service: tuple[str, ...]) -> list[dict[str, Any]]:
    """Give the ``Retry`` field: each class of failure falls to the first entry that covers it."""
    for_service = _first(retries, "service")
    for_job = _first(retries, "job")
    if for_service is for_job:
        return [_retrier(_ALL_ERRORS, for_job)] if for_job else []
    found = [_retrier(service, for_service)]
    if for_job:
        found.append(_retrier(JOB_ERRORS, for_job))
    return found


def transient(service: tuple[str, ...], attempts: int = 6) -> list[dict[str, Any]]:
    """Give the ``Retry`` field of a call of the compiler's own, which may always be repeated."""
    return [
        {
            "ErrorEquals": list(service),
            "IntervalSeconds": 2,
            "MaxAttempts": attempts,
            "BackoffRate": 2.0,
            "MaxDelaySeconds": 60,
            "JitterStrategy": "FULL",
        }
    ]


def tries_after_first(retries: Iterable[Retry]) -> int:
    """Count the tries after the first that there can be at most."""
    return sum(retry.attempts for retry in retries)


def _first(retries: Sequence[Retry], error: str) -> Retry | None:
    covering = (one for one in retries if one.errors is None or error in one.errors)
    found = next(covering, None)
    return found if found and found.attempts else None


def _retrier(errors: tuple[str, ...], retry: Retry | None) -> dict[str, Any]:
    if retry is None:
        # Else a later entry would take these errors, too.
        return {"ErrorEquals": list(errors), "MaxAttempts": 0}
    found: dict[str, Any] = {"ErrorEquals": list(errors)}
    # AWS wants an interval above 0, and a maximum above the interval.
    interval = max(1, min(retry.interval_seconds, retry.max_delay_seconds))
    grows = retry.backoff > 1 and retry.max_delay_seconds > interval
    found["IntervalSeconds"] = interval
    found["MaxAttempts"] = retry.attempts
    found["BackoffRate"] = float(retry.backoff) if grows else 1.0
    if grows:
        found["MaxDelaySeconds"] = retry.max_delay_seconds
    if retry.jitter:
        found["JitterStrategy"] = "FULL"
    return found
