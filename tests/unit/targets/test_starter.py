"""The function that starts the run of an interval."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from airflow_ml_provider.targets import starter

if TYPE_CHECKING:
    from collections.abc import Iterator

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("SECONDS", "86400")
    monkeypatch.setenv("MONTHS", "0")
    with mock_aws():
        yield


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> str:
    states = boto3.client("stepfunctions")
    made = states.create_state_machine(
        name="daily",
        definition='{"StartAt": "a", "States": {"a": {"Type": "Succeed"}}}',
        roleArn="arn:aws:iam::123456789012:role/r",
    )
    arn: str = made["stateMachineArn"]
    monkeypatch.setenv("STATE_MACHINE", arn)
    return arn


def test_an_execution_gets_its_interval(machine: str) -> None:
    answer = starter.start({"time": "2013-08-30T00:00:00Z"}, None)
    assert answer["run"] == "20130829T000000"
    execution = boto3.client("stepfunctions").describe_execution(executionArn=answer["execution"])
    assert execution["name"] == "20130829T000000"
    assert json.loads(execution["input"]) == {
        "data_interval_start": "2013-08-29T00:00:00+00:00",
        "data_interval_end": "2013-08-30T00:00:00+00:00",
    }


def test_a_second_delivery_starts_nothing(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("stepfunctions")
    monkeypatch.setattr(boto3, "client", lambda _service: client)
    with Stubber(client) as stub:
        stub.add_client_error("start_execution", "ExecutionAlreadyExists")
        answer = starter.start({"time": "2013-08-30T00:00:00Z"}, None)
    assert answer == {"run": "20130829T000000", "execution": "already started"}


def test_another_error_is_raised(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("stepfunctions")
    monkeypatch.setattr(boto3, "client", lambda _service: client)
    with Stubber(client) as stub:
        stub.add_client_error("start_execution", "StateMachineDoesNotExist")
        with pytest.raises(client.exceptions.StateMachineDoesNotExist):
            starter.start({"time": "2013-08-30T00:00:00Z"}, None)


def test_a_pipeline_gets_the_parameters_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("sagemaker")
    monkeypatch.setattr(boto3, "client", lambda _service: client)
    monkeypatch.setenv("PIPELINE", "daily")
    monkeypatch.setenv("PARAMETERS", "run_key run_date data_interval_end")
    sent: list[dict[str, Any]] = []

    def start(**request: Any) -> dict[str, Any]:
        sent.append(request)
        return {"PipelineExecutionArn": "arn:x"}

    monkeypatch.setattr(client, "start_pipeline_execution", start, raising=False)
    for _ in range(2):
        answer = starter.start({"time": "2013-08-30T02:00:00+02:00"}, None)
    assert answer == {"run": "20130829T000000", "execution": "arn:x"}
    assert sent[0]["PipelineParameters"] == [
        {"Name": "run_key", "Value": "20130829T000000"},
        {"Name": "run_date", "Value": "2013-08-29"},
        {"Name": "data_interval_end", "Value": "2013-08-30T00:00:00+00:00"},
    ]
    assert sent[0]["PipelineName"] == "daily"
    assert sent[0]["PipelineExecutionDisplayName"] == "20130829T000000"
    assert 32 <= len(sent[0]["ClientRequestToken"]) <= 128
    assert sent[0] == sent[1]


@pytest.mark.parametrize(
    ("time", "months", "run"),
    [
        ("2013-09-01T00:00:00Z", "1", "20130801T000000"),
        ("2013-01-01T06:30:00Z", "1", "20121201T063000"),
        ("2013-01-01T00:00:00Z", "12", "20120101T000000"),
        ("2013-04-01T00:00:00Z", "3", "20130101T000000"),
    ],
)
def test_months(
    machine: str, monkeypatch: pytest.MonkeyPatch, time: str, months: str, run: str
) -> None:
    monkeypatch.setenv("SECONDS", "0")
    monkeypatch.setenv("MONTHS", months)
    assert starter.start({"time": time}, None)["run"] == run
