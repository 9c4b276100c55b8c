"""State machines as text, and the ends of their executions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Client = Callable[[str], Any]
Run = Callable[..., Json]
TRAIN = "arn:aws:states:::sagemaker:createTrainingJob.sync"
PROCESS = "arn:aws:states:::sagemaker:createProcessingJob.sync"
GET = "arn:aws:states:::aws-sdk:s3:getObject"
ASK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
CATCH_ALL = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "caught"}]


def machine(**states: Json) -> Json:
    """Return a definition that starts with the first state; a state without Next ends it."""
    for state in states.values():
        if not {"Next", "End", "Choices"} & set(state) and state["Type"] not in ("Fail", "Succeed"):
            state["End"] = True
    return {"StartAt": next(iter(states)), "States": states}


def task(resource: str, parameters: Json, **fields: Any) -> Json:
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, **fields}


def failing(name: str) -> Json:
    return machine(**{name: {"Type": "Fail", "Error": "Broken", "Cause": name}})


def output(execution: Json) -> Any:
    assert execution["status"] == "SUCCEEDED", execution
    return json.loads(execution["output"])


def failure(execution: Json) -> str:
    assert execution["status"] == "FAILED", execution
    assert execution["stopDate"] >= execution["startDate"]
    return str(execution["error"])
