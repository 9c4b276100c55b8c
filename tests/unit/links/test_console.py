from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_ml_provider.jobs.state import LogStreams
from airflow_ml_provider.links import console
from airflow_ml_provider.links.console import JobLink, LogLink, console_url, log_url


def client(partition="aws", region="us-east-1"):
    return SimpleNamespace(meta=SimpleNamespace(partition=partition, region_name=region))


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-central-1", "eu-central-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_each_partition_has_its_console(partition, region, host):
    url = console_url(client(partition, region), "sagemaker/home#/jobs/train-1")
    assert url == f"https://{host}/sagemaker/home?region={region}#/jobs/train-1"


@pytest.mark.parametrize("unknown", [client("aws-iso"), client(region=None)])
def test_where_there_is_no_public_console_there_is_no_link(unknown):
    assert console_url(unknown, "glue/home") is None
    assert log_url(unknown, [LogStreams("group", "job/")]) is None


def test_a_job_without_a_log_has_no_link_to_it():
    assert log_url(client(), ()) is None


def test_cloudwatch_escapes_twice():
    url = log_url(client(), [LogStreams("/aws/sagemaker/TrainingJobs", "train-1/")])
    assert url == (
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        "#logsV2:log-groups/log-group/$252Faws$252Fsagemaker$252FTrainingJobs"
        "$3FlogStreamNameFilter$3Dtrain-1$252F"
    )


@pytest.mark.parametrize("link", [JobLink(), LogLink()])
def test_a_link_is_what_the_task_stored(monkeypatch, link):
    stored = {link.xcom_key: "https://console"}
    monkeypatch.setattr(console, "xcom_value", lambda key, ti_key: stored.get(key))
    assert link.get_link(None, ti_key="key") == "https://console"
    stored.clear()
    assert link.get_link(None, ti_key="key") == ""
