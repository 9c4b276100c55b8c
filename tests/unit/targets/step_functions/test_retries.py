from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import Retry
from airflow_ml_provider.plan.nodes import Invoke
from airflow_ml_provider.targets.step_functions.retries import (
    JOB_ERRORS,
    retriers,
    sdk_errors,
    service_errors,
    transient,
    tries_after_first,
)

SERVICE = ("S.Throttled",)


def errors(*retries):
    return [(tuple(one["ErrorEquals"]), one["MaxAttempts"]) for one in retriers(retries, SERVICE)]


def test_pauses():
    (found,) = retriers((Retry(2, 30, 1.5, 100, jitter=True),), SERVICE)
    assert found == {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 30,
        "MaxAttempts": 2,
        "BackoffRate": 1.5,
        "MaxDelaySeconds": 100,
        "JitterStrategy": "FULL",
    }


@pytest.mark.parametrize(
    ("retry", "interval"),
    [
        (Retry(1, interval_seconds=0, backoff=1), 1),
        (Retry(1, interval_seconds=900, max_delay_seconds=60), 60),
        (Retry(1, interval_seconds=60, max_delay_seconds=60, backoff=3), 60),
    ],
)
def test_pauses_that_do_not_grow(retry, interval):
    (found,) = retriers((retry,), SERVICE)
    assert found["IntervalSeconds"] == interval
    assert found["BackoffRate"] == 1.0
    assert "MaxDelaySeconds" not in found
    assert "JitterStrategy" not in found


def test_each_class_falls_to_the_first_entry_that_covers_it():
    service, job = Retry(3, errors=("service",)), Retry(1, errors=("job",))
    both, rest, never = Retry(2, errors=("job", "service")), Retry(2), Retry(0)
    assert errors() == errors(never) == []
    assert errors(both) == errors(rest) == errors(rest, job) == [(("States.ALL",), 2)]
    assert errors(service) == [(SERVICE, 3)]
    # Service errors first, as States.TaskFailed stands for them, too.
    assert errors(job, service) == errors(service, job) == [(SERVICE, 3), (JOB_ERRORS, 1)]
    assert errors(service, rest) == [(SERVICE, 3), (JOB_ERRORS, 2)]
    assert errors(job) == [(SERVICE, 0), (JOB_ERRORS, 1)]
    assert tries_after_first((service, job)) == 4


def test_service_errors_of_each_integration(job, send):
    function = Invoke(name="f", retry=(), function="f", payload={}, timeout_seconds=9)
    assert "Lambda.TooManyRequestsException" in service_errors(function)
    assert service_errors(send("a", "q"), "Sqs")[0] == "Sqs.SqsException"
    assert "SageMaker.ResourceLimitExceededException" in service_errors(job("a"))
    assert "Glue.ConcurrentRunsExceededException" in service_errors(job("a", kind="glue"))
    assert "EMRServerless.ThrottlingException" in service_errors(job("a", kind="emr_serverless"))


def test_own_calls_are_repeated():
    (found,) = transient(sdk_errors("S3"))
    assert "S3.S3Exception" in found["ErrorEquals"]
    assert found["MaxAttempts"] == 6
