"""States that wait for a task token."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from state_machines import ASK, Client, Json, failure, machine, output, task

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def queue(client: Client, name: str) -> Any:
    """Make a queue that task tokens go to, and return its URL."""
    url = client("sqs").create_queue(QueueName=name)["QueueUrl"]
    yield url
    client("sqs").delete_queue(QueueUrl=url)


@pytest.fixture
def asked(client: Client, queue: str) -> Callable[[], Json]:
    """Return the next message of the queue."""

    def asked() -> Json:
        for _ in range(30):
            got = client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=2)
            for message in got.get("Messages", ()):
                return dict(json.loads(message["Body"]))
        raise AssertionError("nobody asked")

    return asked


def approval(queue: str, **fields: Any) -> Json:
    body = {"token.$": "$$.Task.Token", "arguments": {"model_package_arn.$": "$.arn"}}
    return machine(ask=task(ASK, {"QueueUrl": queue, "MessageBody": body}, **fields))


@pytest.fixture
def waiting_execution(client: Client, define: Callable[..., str], queue: str) -> Callable[..., str]:
    def waiting_execution(**fields: Any) -> str:
        arn = define(approval(queue, **fields))
        started = client("stepfunctions").start_execution(
            stateMachineArn=arn, input='{"arn": "arn:package"}'
        )
        return str(started["executionArn"])

    return waiting_execution


def test_a_token_ends_the_wait(
    client: Client, waiting_execution: Any, asked: Any, ended: Callable[[str], Json]
) -> None:
    execution = waiting_execution()
    message = asked()
    assert message["arguments"] == {"model_package_arn": "arn:package"}
    sfn = client("stepfunctions")
    with pytest.raises(ClientError, match="InvalidOutput"):
        sfn.send_task_success(taskToken=message["token"], output="{")
    sfn.send_task_success(taskToken=message["token"], output='{"by": "me"}')
    assert output(ended(execution)) == {"by": "me"}
    with pytest.raises(ClientError, match="TaskTimedOut"):
        sfn.send_task_success(taskToken=message["token"], output="{}")
    with pytest.raises(ClientError, match="InvalidToken"):
        sfn.send_task_success(taskToken="nobody's", output="{}")


def test_each_try_has_a_token_of_its_own(
    client: Client, waiting_execution: Any, asked: Any, ended: Callable[[str], Json]
) -> None:
    retry = [{"ErrorEquals": ["Rejected"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    execution = waiting_execution(Retry=retry)
    tokens = []
    for _ in range(2):
        tokens.append(asked()["token"])
        client("stepfunctions").send_task_failure(
            taskToken=tokens[-1], error="Rejected", cause="too bad"
        )
    described = ended(execution)
    assert (failure(described), described["cause"]) == ("Rejected", "too bad")
    assert tokens[0] != tokens[1]


def test_heartbeats_keep_it_waiting(
    client: Client, waiting_execution: Any, asked: Any, ended: Callable[[str], Json], until: Any
) -> None:
    execution = waiting_execution(HeartbeatSeconds=4, TimeoutSeconds=600)
    token = asked()["token"]
    sfn = client("stepfunctions")
    over = time.monotonic() + 5

    def beaten() -> bool:
        sfn.send_task_heartbeat(taskToken=token)
        return time.monotonic() > over

    until(beaten)
    assert sfn.describe_execution(executionArn=execution)["status"] == "RUNNING"
    assert failure(ended(execution)) == "States.Timeout"
