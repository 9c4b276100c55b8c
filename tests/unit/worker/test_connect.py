from __future__ import annotations

import pytest

from airflow_ml_provider.worker.connect import connect

ARN = "arn:aws:sagemaker:eu-north-1:123456789012:processing-job/x"


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-west-3", "PROCESSING_JOB_ARN": ARN}, "eu-west-3"),
        ({"AWS_DEFAULT_REGION": "eu-west-2", "PROCESSING_JOB_ARN": ARN}, "eu-west-2"),
        ({"PROCESSING_JOB_ARN": ARN}, "eu-north-1"),
    ],
)
def test_the_region_is_that_of_the_job(monkeypatch, variables, region):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert connect("sns").meta.region_name == region


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(("repeats", "attempts"), [(True, 5), (False, 1)])
def test_a_client_may_repeat_or_not(repeats, attempts):
    assert connect("sns", repeats=repeats).meta.config.retries["total_max_attempts"] == attempts


@pytest.mark.usefixtures("aws")
def test_without_a_region_boto3_says_so(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(Exception, match="You must specify a region"):
        connect("sns")
