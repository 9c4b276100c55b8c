"""What can go wrong with a job, and whether asking again can mend it.

JobError
├── JobNotFoundError      AWS knows no such job
├── JobFailedError        the job ended, but not in success
├── JobTimeoutError       the job still ran when its deadline passed
├── RetryLaterError       not now; the same call may succeed later
├── TokensExhaustedError  every token of this try has a job that failed
├── UnknownKindError      the registry has no such name
├── ReportError           a report lacks the number that was asked for
└── WatcherDiedError      the thread that watched the job ended

AWS's own errors are passed on as they are. They are recognised by their code and by the names of
their classes, so that nothing here imports botocore.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_ml_provider.jobs.state import JobState

_EXPIRED_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_TRANSIENT_CODES = _EXPIRED_CODES | {
    "BandwidthLimitExceeded",
    "ConcurrentModificationException",
    "ConcurrentRunsExceededException",
    "EC2ThrottledException",
    "InternalFailure",
    "InternalServerException",
    "InternalServiceException",
    "OperationTimeoutException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
_PERMANENT_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "EntityNotFoundException",
        "InvalidArn",
        "InvalidClientTokenId",
        "InvalidExecutionInput",
        "InvalidInputException",
        "InvalidRequestException",
        "InvalidSignatureException",
        "NoSuchBucket",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "SignatureDoesNotMatch",
        "StateMachineDoesNotExist",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
        "ValidationError",
        "ValidationException",
    }
)
_TRANSIENT_CLASSES = {
    "ConnectionError": ("botocore",),
    "CredentialRetrievalError": ("botocore",),
    "HTTPClientError": ("botocore",),
    "MetadataRetrievalError": ("botocore",),
    "TimeoutError": ("asyncio", "concurrent"),  # not yet Python's own in 3.10
}
# How failure reasons of SageMaker, Glue and EMR Serverless begin, in small letters alone.
_SERVICE_REASONS = (
    "capacityerror",
    "insufficientcapacity",
    "internalerror",
    "internalfailure",
    "internalserver",
    "internalservice",
    "resourcelimitexceeded",
    "resourceunavailable",
    "serviceunavailable",
    "throttling",
    "toomanyrequests",
)
_REASON_LENGTH = 60
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500


class JobError(Exception):
    """The root of all errors about jobs."""


class JobNotFoundError(JobError):
    """AWS knows no such job."""

    def __init__(self, kind: str, job_id: str) -> None:
        super().__init__(f"{kind} job {job_id!r} does not exist (in this account and region).")


class JobFailedError(JobError):
    """The job ended, but not in success; ``state`` has AWS's status and reason."""

    def __init__(self, kind: str, state: JobState) -> None:
        reason = state.reason or "AWS gave no reason"
        super().__init__(f"{kind} job {state.job_id} ended as {state.status}: {reason}")
        self.state = state


class JobTimeoutError(JobError):
    """The job still ran when its deadline passed. It is not stopped by this."""

    def __init__(self, kind: str, job_id: str, status: str, trouble: Exception | None) -> None:
        last = f" The last call to AWS failed: {trouble}" if trouble else ""
        super().__init__(f"{kind} job {job_id} was {status} when its deadline passed.{last}")


class RetryLaterError(JobError):
    """Not now; the same call may succeed later."""


class TokensExhaustedError(JobError):
    """Every token of this try belongs to a job that failed or was stopped."""

    def __init__(self, kind: str, token_prefix: str, tried: int) -> None:
        super().__init__(
            f"{kind}: all {tried} jobs named {token_prefix}-<n> failed or were stopped; "
            "clear the task to start afresh."
        )


class UnknownKindError(JobError):
    """The registry has no such name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No kind of job is called {name!r}; known are {', '.join(known)}.")


class ReportError(JobError):
    """A report lacks the number that was asked for, or is no report."""


class WatcherDiedError(JobError):
    """The thread that watched the job ended; waiting again starts a new one."""


def error_code(error: BaseException) -> str:
    """Give AWS's code of a botocore ``ClientError``; empty for any other error."""
    return str(_response(error).get("Error", {}).get("Code", ""))


def error_message(error: BaseException) -> str:
    """Give AWS's message of a botocore ``ClientError``; empty for any other error."""
    return str(_response(error).get("Error", {}).get("Message", ""))


def is_expired(error: BaseException) -> bool:
    """Whether the client's credentials have run out, so that a new client is needed."""
    return error_code(error) in _EXPIRED_CODES


def is_transient(error: BaseException) -> bool:
    """Whether asking again later can succeed: throttles, timeouts, 5xx, connections, expiry.

    The codes are those of https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
    and what Glue answers while another run or change of the same job is under way.
    """
    if isinstance(error, (RetryLaterError, ConnectionError, TimeoutError)):
        return True
    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
        return True
    if error_code(error) in _TRANSIENT_CODES:
        return True
    return any(
        base.__module__.split(".")[0] in _TRANSIENT_CLASSES.get(base.__name__, ())
        for base in type(error).__mro__
    )


def is_permanent(error: BaseException) -> bool:
    """Whether the same call will always be refused: no rights, a bad request, an unknown job.

    A full quota or a conflict is neither permanent nor transient: a later try may get through.
    """
    if isinstance(error, (JobNotFoundError, TokensExhaustedError)):
        return True
    return error_code(error) in _PERMANENT_CODES and not is_transient(error)


def is_service_fault(error: BaseException) -> bool:
    """Whether AWS could not do it, as against: what was asked for failed.

    Throttles, no capacity, a full quota, internal errors and lost connections are AWS's; those of a
    job are known by how its reason begins. The classes are those that SageMaker Pipelines repeats:
    https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
    """
    if isinstance(error, JobFailedError):
        return is_service_reason(error.state.reason)
    if is_transient(error) or is_service_reason(error_code(error)):
        return True
    return error.__cause__ is not None and is_service_fault(error.__cause__)


def is_service_reason(reason: str | None) -> bool:
    """Whether a job's failure reason, or an error's name, says that AWS could not do it."""
    return _letters(reason or "").startswith(_SERVICE_REASONS)


def is_not_found(error: BaseException) -> bool:
    """Whether AWS says that what was asked about does not exist.

    SageMaker has no code of its own for that: it answers a ValidationException whose message says
    "Requested resource not found." or "Could not find ...".
    """
    code, message = error_code(error), error_message(error).lower()
    if code == "ValidationException":
        return "not found" in message or "could not find" in message
    return code in {
        "404",
        "EntityNotFoundException",
        "ExecutionDoesNotExist",
        "NoSuchKey",
        "ResourceNotFound",
        "ResourceNotFoundException",
    }


def _letters(text: str) -> str:
    return re.sub("[^a-z]", "", text[:_REASON_LENGTH].lower())


def _response(error: BaseException) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return response if isinstance(response, dict) else {}
