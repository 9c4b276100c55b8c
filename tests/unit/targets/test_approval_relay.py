"""The function that tells a waiting run what became of a model package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.targets import approval_relay

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/flights/3"
EXECUTION = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/flights/execution/abc"


class Client:
    """Records calls; what a method of SageMaker or Step Functions answers is set by name."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.calls.append((name, request))
            answer = self.answers.get(name, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    one = Client({})
    monkeypatch.setattr(boto3, "client", lambda _service: one)
    return one


def ask(client: Client, described: dict[str, Any], **question: Any) -> tuple[Any, list[Any]]:
    client.answers["describe_model_package"] = described
    body = {"token": "t" * 10, "arguments": {"model_package_arn": PACKAGE}, **question}
    event = {"Records": [{"messageId": "m1", "body": json.dumps(body)}]}
    answer = approval_relay.answer(event, None)
    assert client.calls.pop(0) == ("describe_model_package", {"ModelPackageName": PACKAGE})
    return answer["batchItemFailures"], client.calls


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "SendTaskSuccess")


def test_an_approval_lets_a_state_machine_go_on(client: Client) -> None:
    left, calls = ask(client, {"ModelApprovalStatus": "Approved"}, pipeline="p", step="s")
    output = {"ModelPackageArn": PACKAGE, "ModelApprovalStatus": "Approved"}
    assert calls == [("send_task_success", {"taskToken": "t" * 10, "output": json.dumps(output)})]
    assert left == []


def test_a_rejection_fails_it_with_its_reason(client: Client) -> None:
    described = {"ModelApprovalStatus": "Rejected", "ApprovalDescription": "AUC is too low"}
    left, ((name, request),) = ask(client, described)
    assert (name, left) == ("send_task_failure", [])
    assert request["cause"] == f"{PACKAGE} is Rejected: AUC is too low"
    assert request["error"] == "NotApproved"


def test_a_package_that_failed_fails_it(client: Client) -> None:
    described = {"ModelPackageStatus": "Failed", "ModelApprovalStatus": "PendingManualApproval"}
    _, ((name, request),) = ask(client, described)
    assert (name, request["cause"]) == (
        "send_task_failure",
        f"{PACKAGE} is Failed: no reason was given",
    )


@pytest.mark.parametrize("described", [{}, {"ModelApprovalStatus": "PendingManualApproval"}])
def test_a_pending_package_stays_in_the_queue(client: Client, described: dict[str, Any]) -> None:
    left, calls = ask(client, described)
    assert left == [{"itemIdentifier": "m1"}]
    assert calls == [("send_task_heartbeat", {"taskToken": "t" * 10})]


def test_an_approval_lets_a_pipeline_go_on(client: Client) -> None:
    described = {"ModelApprovalStatus": "Approved"}
    left, calls = ask(client, described, pipelineExecutionArn=EXECUTION, status="Executing")
    assert calls == [("send_pipeline_execution_step_success", {"CallbackToken": "t" * 10})]
    assert left == []


def test_a_rejection_fails_a_pipelines_step(client: Client) -> None:
    described = {"ModelApprovalStatus": "Rejected", "ApprovalDescription": "x" * 300}
    left, ((name, request),) = ask(client, described, pipelineExecutionArn=EXECUTION)
    assert (name, left) == ("send_pipeline_execution_step_failure", [])
    assert len(request["FailureReason"]) == 256


def test_a_pipeline_that_waits_is_not_told(client: Client) -> None:
    left, calls = ask(client, {}, pipelineExecutionArn=EXECUTION)
    assert (left, calls) == ([{"itemIdentifier": "m1"}], [])


def test_a_pipeline_that_stops_gets_its_answer_at_once(client: Client) -> None:
    left, ((name, request),) = ask(client, {}, pipelineExecutionArn=EXECUTION, status="Stopping")
    assert (name, left) == ("send_pipeline_execution_step_failure", [])
    assert "Stopped" in request["FailureReason"]


@pytest.mark.parametrize("code", ["InvalidToken", "TaskDoesNotExist", "TaskTimedOut"])
@pytest.mark.parametrize("status", ["Approved", "PendingManualApproval"])
def test_a_question_that_nobody_waits_for_is_dropped(
    client: Client, code: str, status: str
) -> None:
    client.answers["send_task_success"] = client.answers["send_task_heartbeat"] = error(code)
    left, _ = ask(client, {"ModelApprovalStatus": status})
    assert left == []


def test_another_error_is_raised(client: Client) -> None:
    client.answers["send_task_success"] = error("ThrottlingException")
    with pytest.raises(ClientError):
        ask(client, {"ModelApprovalStatus": "Approved"})


def test_the_heartbeat_leaves_the_queue_time() -> None:
    assert approval_relay.HEARTBEAT_SECONDS >= 2 * approval_relay.VISIBILITY_SECONDS
