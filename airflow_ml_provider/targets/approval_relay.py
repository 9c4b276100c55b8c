"""Tells a waiting run what became of a model package; CloudFormation puts this file into Lambda.

It reads the queue that state machines (``.waitForTaskToken``) and SageMaker pipelines (Callback
step) ask. A package that nobody decided about leaves its message in the queue, which shows it again
after its visibility timeout.
"""

from __future__ import annotations

import json
from typing import Any

VISIBILITY_SECONDS = 300
"""How long the queue hides a question that was not answered yet."""
HEARTBEAT_SECONDS = 3 * VISIBILITY_SECONDS
"""After so long without the relay's heartbeat a state machine gives up waiting."""
_PENDING = "PendingManualApproval"
# Nobody waits for the answer any more, as the step timed out or the run was stopped.
_GONE = {
    "InvalidToken",
    "TaskDoesNotExist",
    "TaskTimedOut",
    "ResourceNotFound",
    "ValidationException",
}


def answer(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer each question of the batch; those still open are given back to the queue."""
    still_open = [one["messageId"] for one in event["Records"] if not _answered(one["body"])]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in still_open]}


def _answered(body: str) -> bool:
    import boto3  # here, as the compiler imports none
    from botocore.exceptions import ClientError  # noqa: PLC0415

    question = json.loads(body)
    package = question["arguments"]["model_package_arn"]
    sagemaker = boto3.client("sagemaker")
    found = sagemaker.describe_model_package(ModelPackageName=package)
    status: str = found.get("ModelApprovalStatus", _PENDING)
    if found.get("ModelPackageStatus") == "Failed":
        status = "Failed"
    if question.get("status") == "Stopping":
        status = "Stopped"  # the pipeline's execution is, and waits for an answer to this
    token = question["token"]
    approved = status == "Approved"
    reason = f"{package} is {status}: {found.get('ApprovalDescription') or 'no reason was given'}"
    try:
        if "pipelineExecutionArn" in question:
            if approved:
                sagemaker.send_pipeline_execution_step_success(CallbackToken=token)
            elif status != _PENDING:
                sagemaker.send_pipeline_execution_step_failure(
                    CallbackToken=token, FailureReason=reason[:256]
                )
        else:
            states = boto3.client("stepfunctions")
            if approved:
                output = {"ModelPackageArn": package, "ModelApprovalStatus": status}
                states.send_task_success(taskToken=token, output=json.dumps(output))
            elif status != _PENDING:
                states.send_task_failure(taskToken=token, error="NotApproved", cause=reason)
            else:
                states.send_task_heartbeat(taskToken=token)
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return True
        raise
    return status != _PENDING
