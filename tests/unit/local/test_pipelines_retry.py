from __future__ import annotations

import math
from typing import Any

import pytest

from airflow_ml_provider.local.pipelines_retry import (
    DEFAULT_POLICY,
    RetryPolicy,
    cache_seconds,
    call_exception,
    job_exception,
    policy_for,
    retry_policies,
)


def policy(*exceptions: str, **fields: Any) -> dict[str, Any]:
    return {"ExceptionType": list(exceptions), "MaxAttempts": 2, **fields}


def test_policies() -> None:
    given = [
        policy("Step.THROTTLING", IntervalSeconds=2, BackoffRate=3.0),
        policy("SageMaker.CAPACITY_ERROR", MaxAttempts=None, ExpireAfterMin=1),
    ]
    throttled, capacity = retry_policies("train", "Training", given)
    assert [throttled.delay_seconds(n, 0) for n in range(3)] == [2, 6, None]
    assert capacity.delay_seconds(0, 58) == 1
    assert capacity.delay_seconds(0, 59.5) is None
    assert policy_for((throttled, capacity), "SageMaker.CAPACITY_ERROR") is capacity
    assert policy_for((throttled,), "Step.SERVICE_FAULT") is DEFAULT_POLICY
    assert policy_for((throttled,), "") is None
    assert policy_for((throttled,), "SageMaker.RESOURCE_LIMIT") is None


@pytest.mark.parametrize(
    ("step_type", "given"),
    [
        ("Training", [policy("Step.OTHER")]),
        ("Training", [policy()]),
        ("Training", [policy("Step.THROTTLING", "SageMaker.CAPACITY_ERROR")]),
        ("Training", [policy("Step.THROTTLING"), policy("Step.THROTTLING")]),
        ("Lambda", [policy("SageMaker.CAPACITY_ERROR")]),
        ("Training", [policy("Step.THROTTLING", MaxAttempts=None)]),
        ("Training", [policy("Step.THROTTLING", MaxAttempts=21)]),
        ("Training", [policy("Step.THROTTLING", ExpireAfterMin=14_401)]),
    ],
)
def test_policies_that_are_refused(step_type: str, given: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="a retry policy of step 'train'"):
        retry_policies("train", step_type, given)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ThrottlingException", 400, "Step.THROTTLING"),
        ("TooManyRequestsException", 429, "Step.THROTTLING"),
        ("InternalFailure", 500, "Step.SERVICE_FAULT"),
        ("ResourceLimitExceeded", 400, "SageMaker.RESOURCE_LIMIT"),
        ("InsufficientCapacity", 400, "SageMaker.CAPACITY_ERROR"),
        ("ValidationException", 400, ""),
    ],
)
def test_refused_calls(code: str, status: int, expected: str) -> None:
    assert call_exception(code, status) == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("InternalServerError: try again", "SageMaker.JOB_INTERNAL_ERROR"),
        ("CapacityError: no ml.p5", "SageMaker.CAPACITY_ERROR"),
        ("ResourceLimitExceeded: 0 instances", "SageMaker.RESOURCE_LIMIT"),
        ("AlgorithmError: exit code 1", ""),
    ],
)
def test_failed_jobs(reason: str, expected: str) -> None:
    assert job_exception(reason) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, None),
        ({"Enabled": False, "ExpireAfter": "P1D"}, None),
        ({"Enabled": True}, math.inf),
        ({"Enabled": True, "ExpireAfter": "P4DT12H"}, 388_800),
        ({"Enabled": True, "ExpireAfter": "30d"}, 2_592_000),
        ({"Enabled": True, "ExpireAfter": "T12H"}, 43_200),
        ({"Enabled": True, "ExpireAfter": "PT1M"}, 60),
    ],
)
def test_caching(content: dict[str, Any] | None, expected: float | None) -> None:
    assert cache_seconds("s", content) == expected


@pytest.mark.parametrize("text", ["soon", "P", "1", "P1H"])
def test_durations_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        cache_seconds("s", {"Enabled": True, "ExpireAfter": text})


def test_no_limit_of_attempts() -> None:
    assert RetryPolicy(frozenset(), backoff=1.0, expire_minutes=5).delay_seconds(100, 0) == 1
