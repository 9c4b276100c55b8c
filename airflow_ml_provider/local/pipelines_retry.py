"""What a step repeats, and when: retry policies and caching.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

THROTTLING, SERVICE_FAULT = "Step.THROTTLING", "Step.SERVICE_FAULT"
INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"
CAPACITY_ERROR = "SageMaker.CAPACITY_ERROR"
RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"
EXCEPTION_TYPES = (THROTTLING, SERVICE_FAULT, INTERNAL_ERROR, CAPACITY_ERROR, RESOURCE_LIMIT)
JOB_TYPES = ("Processing", "Training", "Tuning", "Transform")
MAX_ATTEMPTS = 20
MAX_EXPIRE_MINUTES = 14_400
_DURATION = re.compile(
    r"P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?",
    re.IGNORECASE,
)
_UNIT_SECONDS = (31_536_000, 2_592_000, 604_800, 86_400, 3_600, 60, 1)
_THROTTLED = re.compile(r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown")
_SERVER_ERROR = 500


@dataclass(frozen=True)
class RetryPolicy:
    """Which failures of a step are tried again, how often and how soon."""

    exceptions: frozenset[str]
    interval_seconds: float = 1.0
    backoff: float = 2.0
    attempts: int | None = None
    expire_minutes: int | None = None

    def delay_seconds(self, attempt: int, elapsed_seconds: float) -> float | None:
        """Return how long to wait before retry `attempt` (from 0), or None to give up."""
        if self.attempts is not None and attempt >= self.attempts:
            return None
        delay = self.interval_seconds * self.backoff**attempt
        if self.expire_minutes is not None and elapsed_seconds + delay > self.expire_minutes * 60:
            return None
        return delay


# AWS repeats these by itself, but doesn't say how often.
DEFAULT_POLICY = RetryPolicy(frozenset({THROTTLING, SERVICE_FAULT}), attempts=3)


def retry_policies(step: str, step_type: str, content: Any) -> tuple[RetryPolicy, ...]:
    """Read the retry policies of a step.

    Raises:
        ValueError: for the first of them that AWS refuses.

    """
    seen: set[str] = set()
    policies = []
    for item in content:
        where = f"a retry policy of step {step!r}"
        exceptions = item["ExceptionType"]
        unknown = [name for name in exceptions if name not in EXCEPTION_TYPES]
        if unknown or not exceptions:
            raise ValueError(f"{where} has {unknown}; the known are {list(EXCEPTION_TYPES)}")
        if len({name.partition(".")[0] for name in exceptions}) > 1:
            raise ValueError(f"{where} mixes Step. and SageMaker. exceptions: use two policies")
        if step_type not in JOB_TYPES and exceptions[0].startswith("SageMaker."):
            raise ValueError(f"{where} has {exceptions}, but a {step_type} step runs no job")
        if seen & set(exceptions):
            raise ValueError(f"{where} repeats {sorted(seen & set(exceptions))} of another one")
        seen |= set(exceptions)
        attempts, minutes = item.get("MaxAttempts"), item.get("ExpireAfterMin")
        if attempts is None and minutes is None:
            raise ValueError(f"{where} needs MaxAttempts or ExpireAfterMin")
        if attempts is not None and not 1 <= attempts <= MAX_ATTEMPTS:
            raise ValueError(f"{where}: MaxAttempts {attempts} must be from 1 to {MAX_ATTEMPTS}")
        if minutes is not None and not 0 <= minutes <= MAX_EXPIRE_MINUTES:
            raise ValueError(
                f"{where}: ExpireAfterMin {minutes} must be from 0 to {MAX_EXPIRE_MINUTES}"
            )
        interval, backoff = item.get("IntervalSeconds", 1), item.get("BackoffRate", 2.0)
        policies.append(RetryPolicy(frozenset(exceptions), interval, backoff, attempts, minutes))
    return tuple(policies)


def policy_for(policies: tuple[RetryPolicy, ...], exception: str) -> RetryPolicy | None:
    """Return the policy that covers a failure, if any."""
    return next((p for p in (*policies, DEFAULT_POLICY) if exception in p.exceptions), None)


def call_exception(code: str, status: int) -> str:
    """Return the exception type of a call that AWS refused, or an empty text."""
    if _THROTTLED.search(code):
        return THROTTLING
    if code == "ResourceLimitExceeded":
        return RESOURCE_LIMIT
    if "Capacity" in code:
        return CAPACITY_ERROR
    return SERVICE_FAULT if status >= _SERVER_ERROR else ""


def job_exception(reason: str) -> str:
    """Return the exception type of a job that failed for this reason, or an empty text."""
    if reason.startswith(("InternalServerError", "InternalError")):
        return INTERNAL_ERROR
    if reason.startswith("CapacityError"):
        return CAPACITY_ERROR
    return RESOURCE_LIMIT if reason.startswith("ResourceLimitExceeded") else ""


def cache_seconds(step: str, content: Any) -> float | None:
    """Return how old a result may be that the step takes for its own; None if it runs always.

    Raises:
        ValueError: if ``ExpireAfter`` is not an ISO 8601 duration.

    """
    if not content or not content.get("Enabled"):
        return None
    text = content.get("ExpireAfter")
    if text is None:
        return float("inf")
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"ExpireAfter {text!r} of step {step!r} is not a duration such as P30D")
    pairs = zip(match.groups(), _UNIT_SECONDS, strict=True)
    return float(sum(int(number or 0) * unit for number, unit in pairs))
