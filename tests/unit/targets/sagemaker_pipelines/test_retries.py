"""Retry policies."""

from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline.step import Retry
from airflow_ml_provider.targets.sagemaker_pipelines.retries import can_retry, policies

CALL = ["Step.SERVICE_FAULT", "Step.THROTTLING"]
JOB = ["SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"]


@pytest.mark.parametrize(
    ("step_type", "errors"),
    [
        ("Processing", [CALL, JOB]),
        ("Training", [CALL, JOB]),
        ("Transform", [CALL, JOB]),
        ("Tuning", [CALL, JOB[1:]]),
        ("Model", [CALL]),
        ("RegisterModel", [CALL]),
        ("EMRServerless", [CALL]),
        ("Lambda", []),
        ("Callback", []),
        ("Fail", []),
    ],
)
def test_errors_of_each_type(step_type, errors):
    made = policies(step_type, (Retry(attempts=3, interval_seconds=10, backoff=1.5),))
    assert [one["ExceptionType"] for one in made] == errors
    assert can_retry(step_type) == bool(errors)
    for one in made:
        assert {key: one[key] for key in one if key != "ExceptionType"} == {
            "IntervalSeconds": 10,
            "BackoffRate": 1.5,
            "MaxAttempts": 3,
        }


@pytest.mark.parametrize(
    ("retries", "attempts"),
    [
        ((), None),
        ((Retry(attempts=0),), None),
        ((Retry(errors=("job",)),), None),
        ((Retry(errors=("job",), attempts=5), Retry(attempts=4)), 4),
        ((Retry(errors=("service",), attempts=5), Retry(attempts=4)), 5),
        ((Retry(attempts=99),), 20),
    ],
)
def test_the_first_that_covers_it(retries, attempts):
    made = policies("Model", retries)
    assert [one["MaxAttempts"] for one in made] == ([attempts] if attempts else [])


@pytest.mark.parametrize(("given", "made"), [(0, 1), (7, 7), (50_000, 43_200)])
def test_pause(given, made):
    assert policies("Model", (Retry(interval_seconds=given),))[0]["IntervalSeconds"] == made
