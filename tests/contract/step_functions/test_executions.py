"""Executions: started once, stopped, listed, described."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from state_machines import TRAIN, Client, Json, Run, machine, task

if TYPE_CHECKING:
    from collections.abc import Callable


def test_stop_stops_the_job(
    *,
    client: Client,
    define: Callable[..., str],
    ended: Callable[[str], Json],
    training_request: Callable[..., Json],
    until: Any,
    name: str,
) -> None:
    sfn = client("stepfunctions")
    request = training_request("import time; time.sleep(300)")
    arn = define(machine(train=task(TRAIN, request)))
    execution = sfn.start_execution(stateMachineArn=arn)["executionArn"]
    jobs = client("sagemaker").list_training_jobs
    until(lambda: bool(jobs(NameContains=name)["TrainingJobSummaries"]))
    sfn.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
    described = ended(execution)
    assert (described["status"], described["error"]) == ("ABORTED", "Stopped")
    assert described["cause"] == "by hand"
    until(
        lambda: jobs(NameContains=name)["TrainingJobSummaries"][0]["TrainingJobStatus"] == "Stopped"
    )
    events = sfn.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)
    assert events["events"][0]["type"] == "ExecutionAborted"
    assert sfn.stop_execution(executionArn=execution)["stopDate"] == described["stopDate"]


def test_an_execution_starts_exactly_once(
    client: Client, define: Callable[..., str], ended: Callable[[str], Json]
) -> None:
    sfn = client("stepfunctions")
    arn = define(machine(wait={"Type": "Wait", "SecondsPath": "$.seconds"}))
    start = {"stateMachineArn": arn, "name": "run-1", "input": '{"seconds": 2}'}
    first = sfn.start_execution(**start)
    assert first["executionArn"].endswith(":run-1")
    assert sfn.start_execution(**start)["executionArn"] == first["executionArn"]
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        sfn.start_execution(**{**start, "input": "{}"})
    assert ended(first["executionArn"])["status"] == "SUCCEEDED"
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        sfn.start_execution(**start)
    assert len(sfn.list_executions(stateMachineArn=arn)["executions"]) == 1


def test_what_is_no_execution(client: Client, define: Callable[..., str], name: str) -> None:
    sfn = client("stepfunctions")
    arn = define(machine(only={"Type": "Succeed"}))
    with pytest.raises(ClientError, match="InvalidExecutionInput"):
        sfn.start_execution(stateMachineArn=arn, input="{")
    with pytest.raises(ClientError, match="InvalidName"):
        sfn.start_execution(stateMachineArn=arn, name="a b")
    with pytest.raises(ClientError, match="StateMachineDoesNotExist"):
        sfn.start_execution(stateMachineArn=f"{arn}-other")
    with pytest.raises(ClientError, match="ExecutionDoesNotExist"):
        sfn.describe_execution(executionArn=arn.replace("stateMachine", "execution") + ":none")
    del name


def test_a_machine_is_made_once(
    client: Client, define: Callable[..., str], role_arn: str, name: str
) -> None:
    sfn = client("stepfunctions")
    arn = define(machine(only={"Type": "Succeed"}))
    assert define(machine(only={"Type": "Succeed"})) == arn
    with pytest.raises(ClientError, match="StateMachineAlreadyExists"):
        define(machine(other={"Type": "Succeed"}))
    with pytest.raises(ClientError, match="InvalidDefinition"):
        define({"StartAt": "nowhere"}, "-2")
    with pytest.raises(ClientError, match="InvalidDefinition"):
        define(machine(x=task("arn:aws:states:::sagemaker:createNothing.sync", {})), "-3")
    with pytest.raises(ClientError, match="InvalidDefinition"):
        define(machine(x={"Type": "Pass", "Parameters": {"x.$": "States.Format('{}' $.a)"}}), "-4")
    with pytest.raises(ClientError, match="InvalidName"):
        sfn.create_state_machine(
            name=f"{name} 2",
            definition=json.dumps(machine(only={"Type": "Succeed"})),
            roleArn=role_arn,
        )


def test_executions_are_listed_by_status_and_page(
    client: Client, define: Callable[..., str], ended: Callable[[str], Json]
) -> None:
    sfn = client("stepfunctions")
    arn = define(
        machine(
            which={
                "Type": "Choice",
                "Choices": [{"Variable": "$.ok", "BooleanEquals": True, "Next": "good"}],
                "Default": "bad",
            },
            good={"Type": "Succeed"},
            bad={"Type": "Fail"},
        )
    )
    for n in range(4):
        started = sfn.start_execution(
            stateMachineArn=arn, name=f"run-{n}", input=json.dumps({"ok": n % 2 == 0})
        )
        ended(started["executionArn"])
    failed = sfn.list_executions(stateMachineArn=arn, statusFilter="FAILED")["executions"]
    assert [item["name"] for item in failed] == ["run-3", "run-1"]
    assert all(item["stopDate"] >= item["startDate"] for item in failed)
    first = sfn.list_executions(stateMachineArn=arn, maxResults=3)
    rest = sfn.list_executions(stateMachineArn=arn, nextToken=first["nextToken"])
    names = [item["name"] for item in first["executions"] + rest["executions"]]
    assert names == ["run-3", "run-2", "run-1", "run-0"]


def test_history_in_pages(run: Run, client: Client) -> None:
    execution = run(machine(a={"Type": "Pass", "Next": "b"}, b={"Type": "Succeed"}))
    pages = client("stepfunctions").get_paginator("get_execution_history")
    events = [
        event
        for page in pages.paginate(
            executionArn=execution["executionArn"], PaginationConfig={"PageSize": 2}
        )
        for event in page["events"]
    ]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert [events[0]["type"], events[-1]["type"]] == ["ExecutionStarted", "ExecutionSucceeded"]


def test_timeout_of_the_machine(run: Run) -> None:
    execution = run({**machine(wait={"Type": "Wait", "Seconds": 30}), "TimeoutSeconds": 1})
    assert execution["status"] == "TIMED_OUT"
    assert execution["stopDate"]
