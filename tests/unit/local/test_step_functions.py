"""State machines of this server: whose they are, and what ends with it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
from moto.core.config import default_user_config

from airflow_ml_provider.local.cloud import Cloud
from airflow_ml_provider.local.server import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

ROLE = "arn:aws:iam::123456789012:role/orchestrator"
RULE = "StepFunctionsGetEventsForSageMakerTrainingJobsRule"


def client_of(aws: LocalAws) -> Callable[[str], Any]:
    session = boto3.session.Session(
        region_name="eu-central-1", aws_access_key_id="local", aws_secret_access_key="local"
    )
    return lambda service: session.client(service, endpoint_url=aws.endpoint_url)


def training(name: str, code: str) -> dict[str, Any]:
    request = {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", code],
        },
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    resource = "arn:aws:states:::sagemaker:createTrainingJob.sync"
    return {"Type": "Task", "Resource": resource, "Parameters": request, "End": True}


def start(client: Callable[[str], Any], name: str, state: dict[str, Any]) -> str:
    definition = json.dumps({"StartAt": "only", "States": {"only": state}})
    sfn = client("stepfunctions")
    made = sfn.create_state_machine(name=name, definition=definition, roleArn=ROLE)
    started = sfn.start_execution(stateMachineArn=made["stateMachineArn"], name="run")
    return str(started["executionArn"])


def ended(client: Callable[[str], Any], execution: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client("stepfunctions").describe_execution(executionArn=execution)
        if found["status"] != "RUNNING":
            return dict(found)
        time.sleep(0.02)
    raise AssertionError("it never ended")


def test_an_execution_calls_the_server_that_started_it(tmp_path: Path) -> None:
    with LocalAws(state_dir=tmp_path / "a") as one, LocalAws(state_dir=tmp_path / "b") as other:
        client_of(one)("s3").create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        for n, aws in enumerate((one, other)):
            execution = start(client_of(aws), f"machine-{n}", training(f"job-{n}", "print(1)"))
            assert ended(client_of(aws), execution)["status"] == "SUCCEEDED"
        jobs = [
            [job["TrainingJobName"] for job in found["TrainingJobSummaries"]]
            for found in (client_of(aws)("sagemaker").list_training_jobs() for aws in (one, other))
        ]
    assert jobs == [["job-0"], ["job-1"]]


def test_all_calls_are_made_in_the_name_of_the_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str]] = []
    real = Cloud.role_client

    def role_client(self: Cloud, service: str, identity: Any, role_arn: str) -> Any:
        asked.append((service, identity.region, role_arn))
        return real(self, service, identity, role_arn)

    monkeypatch.setattr(Cloud, "role_client", role_client)
    with LocalAws(state_dir=tmp_path) as aws:
        client = client_of(aws)
        topic = client("sns").create_topic(Name="topic")["TopicArn"]
        publish = {"TopicArn": topic, "Message": "hello"}
        resource = "arn:aws:states:::sns:publish"
        state = {"Type": "Task", "Resource": resource, "Parameters": publish, "End": True}
        assert ended(client, start(client, "moto-s", state))["status"] == "SUCCEEDED"
        other = {**state, "Credentials": {"RoleArn": "arn:aws:iam::123456789012:role/other"}}
        other["Resource"] = "arn:aws:states:::aws-sdk:sns:publish"
        assert ended(client, start(client, "ours", other))["status"] == "SUCCEEDED"
    assert set(asked) == {
        ("sns", "eu-central-1", ROLE),
        ("sns", "eu-central-1", "arn:aws:iam::123456789012:role/other"),
    }


def test_sync_listens_by_a_managed_rule(tmp_path: Path) -> None:
    with LocalAws(state_dir=tmp_path) as aws:
        client = client_of(aws)
        client("s3").create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        ended(client, start(client, "first", training("first", "print(1)")))
        ended(client, start(client, "second", training("second", "print(1)")))
        rule = client("events").describe_rule(Name=RULE)
        targets = client("events").list_targets_by_rule(Rule=RULE)["Targets"]
    assert json.loads(rule["EventPattern"]) == {"source": ["aws.sagemaker"]}
    assert len(targets) == 1


def test_the_end_of_the_server_ends_its_executions(tmp_path: Path) -> None:
    ask: dict[str, Any] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": "", "MessageBody.$": "$$.Task.Token"},
        "End": True,
    }
    with LocalAws(state_dir=tmp_path / "a") as kept:
        with LocalAws(state_dir=tmp_path / "b") as aws:
            client = client_of(aws)
            ask["Parameters"]["QueueUrl"] = client("sqs").create_queue(QueueName="q")["QueueUrl"]
            asking = start(client, "asking", ask)
            training_one = start(client, "training", training("job", "import time; time.sleep(99)"))
        for execution in (asking, training_one):
            described = client_of(kept)("stepfunctions").describe_execution(executionArn=execution)
            assert (described["status"], described["cause"]) == ("ABORTED", "the local AWS ends")
    assert default_user_config["stepfunctions"] == {"execute_state_machine": False}


def test_pauses_can_be_shrunk(tmp_path: Path) -> None:
    with LocalAws(state_dir=tmp_path, wait_scale=0.001) as aws:
        client = client_of(aws)
        state = {"Type": "Wait", "Seconds": 3_000, "End": True}
        assert ended(client, start(client, "waiting", state))["status"] == "SUCCEEDED"


def test_cloudformation_makes_machines_that_run(tmp_path: Path) -> None:
    definition = {"StartAt": "only", "States": {"only": {"Type": "Pass", "Result": 7, "End": True}}}
    properties = {
        "StateMachineName": "made",
        "RoleArn": ROLE,
        "DefinitionString": json.dumps(definition),
    }
    template = {
        "Resources": {
            "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
        }
    }
    with LocalAws(state_dir=tmp_path) as aws:
        client = client_of(aws)
        client("cloudformation").create_stack(StackName="s", TemplateBody=json.dumps(template))
        arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:made"
        started = client("stepfunctions").start_execution(stateMachineArn=arn)
        found = ended(client, started["executionArn"])
    assert (found["status"], found["output"]) == ("SUCCEEDED", "7")
