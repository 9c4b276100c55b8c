from __future__ import annotations

import concurrent.futures

import pytest
from botocore import exceptions as botocore_exceptions

from airflow_ml_provider.jobs.errors import (
    JobFailedError,
    JobNotFoundError,
    JobTimeoutError,
    RetryLaterError,
    error_code,
    is_expired,
    is_not_found,
    is_permanent,
    is_service_fault,
    is_transient,
)
from airflow_ml_provider.jobs.state import JobState, Phase


@pytest.mark.parametrize(
    "code",
    [
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "ExpiredToken",
        "ExpiredTokenException",
        "ConcurrentRunsExceededException",
    ],
)
def test_codes_that_are_waited_out(refusal, code):
    assert is_transient(refusal(code))


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_statuses_that_are_waited_out(refusal, status):
    assert is_transient(refusal("Whatever", status=status))


@pytest.mark.parametrize(
    "code",
    ["AccessDeniedException", "ValidationException", "ResourceLimitExceeded", "UnrecognizedClient"],
)
def test_codes_that_fail_at_once(refusal, code):
    assert not is_transient(refusal(code))


@pytest.mark.parametrize(
    "error",
    [
        botocore_exceptions.EndpointConnectionError(endpoint_url="x"),
        botocore_exceptions.ReadTimeoutError(endpoint_url="x"),
        botocore_exceptions.ConnectTimeoutError(endpoint_url="x"),
        botocore_exceptions.ConnectionClosedError(endpoint_url="x"),
        botocore_exceptions.ProxyConnectionError(proxy_url="x"),
        botocore_exceptions.CredentialRetrievalError(provider="x", error_msg="y"),
        ConnectionResetError(),
        TimeoutError(),
        concurrent.futures.TimeoutError(),
        type("TimeoutError", (Exception,), {"__module__": "concurrent.futures._base"})(),
        RetryLaterError(),
    ],
)
def test_errors_of_the_way_there_are_waited_out(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        botocore_exceptions.NoCredentialsError(),
        botocore_exceptions.ParamValidationError(report="x"),
        KeyError("x"),
    ],
)
def test_other_errors_fail_at_once(error):
    assert not is_transient(error)
    assert error_code(error) == ""


def test_knows_expired_credentials(refusal):
    assert is_expired(refusal("ExpiredTokenException"))
    assert not is_expired(refusal("Throttling"))


@pytest.mark.parametrize(
    ("code", "message", "missing"),
    [
        ("ValidationException", "Requested resource not found.", True),
        ("ValidationException", "Could not find requested job with name: x", True),
        ("ValidationException", "1 validation error detected", False),
        ("ResourceNotFound", "", True),
        ("EntityNotFoundException", "", True),
        ("NoSuchKey", "", True),
        ("AccessDenied", "not found", False),
    ],
)
def test_knows_what_does_not_exist(refusal, code, message, missing):
    assert is_not_found(refusal(code, message)) is missing


def test_a_failure_names_the_reason():
    failed = JobState("j/1", Phase.FAILED, "FAILED", reason="out of memory")
    error = JobFailedError("glue", failed)
    assert "glue job j/1 ended as FAILED: out of memory" in str(error)
    assert error.state is failed
    stopped = JobState("j/1", Phase.STOPPED, "STOPPED")
    assert "STOPPED: AWS gave no reason" in str(JobFailedError("glue", stopped))


def test_a_timeout_names_the_last_trouble():
    assert str(JobTimeoutError("glue", "j", "RUNNING", None)).endswith("deadline passed.")
    assert "Throttled" in str(JobTimeoutError("glue", "j", "RUNNING", OSError("Throttled")))


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "AccessDenied"])
def test_what_is_permanent(refusal, code):
    assert is_permanent(refusal(code))
    assert not is_permanent(refusal(code, status=503))


def test_an_unknown_job_is_permanent_and_a_full_quota_is_not(refusal):
    assert is_permanent(JobNotFoundError("glue", "a/b"))
    assert not is_permanent(refusal("ResourceLimitExceeded"))
    assert not is_permanent(refusal("ThrottlingException"))


@pytest.mark.parametrize(
    ("reason", "service"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity.", True),
        ("InternalServerError: We encountered an internal error.", True),
        ("ResourceLimitExceeded: The account-level service limit", True),
        ("AlgorithmError: ExecuteUserScriptError", False),
        ("ClientError: Data download failed", False),
        (None, False),
    ],
)
def test_a_jobs_reason_says_whose_fault_it_is(reason, service):
    state = JobState("j", Phase.FAILED, "Failed", reason=reason)
    failed = JobFailedError("sagemaker_training", state)
    assert is_service_fault(failed) is service
    told = RuntimeError("the same in other words")
    told.__cause__ = failed
    assert is_service_fault(told) is service


def test_what_aws_could_not_do_is_its_fault():
    assert is_service_fault(ConnectionError())
    assert not is_service_fault(ValueError())
