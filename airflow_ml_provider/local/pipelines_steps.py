"""Steps that run no job: condition, Lambda, callback, fail; and which function runs which type."""

from __future__ import annotations

import json
import math
import secrets
import string
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local import pipelines_jobs
from airflow_ml_provider.local.pipelines_parameters import as_type
from airflow_ml_provider.local.pipelines_run import StepFailure, StepRun, StepStopped
from airflow_ml_provider.local.pipelines_values import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_ml_provider.local.protocol import Json

_TOKEN_CHARS = 10
OUTPUT_CHARS = 1024


def _condition(run: StepRun, request: Json) -> None:
    # Each is looked at, so that a value that can't be compared never passes.
    outcomes = [holds(condition) for condition in request["Conditions"]]
    run.record.set(Metadata={"Condition": {"Outcome": str(all(outcomes))}})


def holds(condition: Json) -> bool:
    """Tell whether a condition, its values resolved, holds.

    Raises:
        StepFailure: if its values can't be compared.

    """
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Condition"])
    if kind == "Or":
        outcomes = [holds(inner) for inner in condition["Conditions"]]
        return any(outcomes)
    if kind == "In":
        return condition["QueryValue"] in condition["Values"]
    left, right = condition["LeftValue"], condition["RightValue"]
    if _sort(left) != _sort(right) or _sort(left) == "":
        raise StepFailure(f"ClientError: {kind} can't compare {left!r} with {right!r}")
    if kind == "Equals":
        return bool(left == right)
    if _sort(left) == "boolean":
        raise StepFailure(f"ClientError: {kind} can't compare {left!r} with {right!r}")
    compared = {
        "GreaterThan": left > right,
        "GreaterThanOrEqualTo": left >= right,
        "LessThan": left < right,
        "LessThanOrEqualTo": left <= right,
    }
    return bool(compared[kind])


def _sort(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number" if math.isfinite(value) else ""
    return "text" if isinstance(value, str) else ""


def _fail(run: StepRun, request: Json) -> None:
    message = as_text(request["ErrorMessage"])
    run.record.set(Metadata={"Fail": {"ErrorMessage": message}})
    raise StepFailure(message)


def _lambda(run: StepRun, request: Json) -> None:
    function = run.target
    answer = run.call(
        "lambda", "invoke", FunctionName=function, Payload=json.dumps(request).encode()
    )
    text = answer["Payload"].read().decode()
    if answer.get("FunctionError"):
        raise StepFailure(f"ClientError: Lambda function {function} failed: {text}")
    try:
        said = json.loads(text or "null")
    except ValueError:
        said = None
    given = said if isinstance(said, dict) else {}
    finish(run, "Lambda", {"Arn": function}, {k: v for k, v in given.items() if _sort(v)})


def _callback(run: StepRun, request: Json) -> None:
    queue = run.target
    if run.name is None:
        letters = string.ascii_letters + string.digits
        run.name = "".join(secrets.choice(letters) for _ in range(_TOKEN_CHARS))
    token = run.name
    metadata = {"CallbackToken": token, "SqsQueueUrl": queue}
    run.record.set(Metadata={"Callback": metadata})
    body = {
        "token": token,
        "pipelineExecutionArn": run.execution_arn,
        "arguments": request,
        "status": "Executing",
    }
    run.call("sqs", "send_message", QueueUrl=queue, MessageBody=json.dumps(body))
    stopping = False
    # Even a stopped execution waits for the answer:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html
    while run.record.answer is None:
        if run.stop.is_set() and not stopping:
            stopping = True
            run.record.set(StepStatus="Stopping")
            stop = json.dumps({**body, "status": "Stopping"})
            run.call("sqs", "send_message", QueueUrl=queue, MessageBody=stop)
        run.pause()
    failure, outputs = run.record.answer
    if stopping:
        raise StepStopped
    if failure is not None:
        raise StepFailure(failure)
    finish(run, "Callback", metadata, outputs)


def finish(run: StepRun, kind: str, metadata: Json, given: Mapping[str, Any]) -> None:
    """Keep the outputs that a step declares.

    Raises:
        StepFailure: if one is missing, too long or of another type.

    """
    outputs = {}
    for item in run.step.content.get("OutputParameters", []):
        name, kind_of = item["OutputName"], item.get("OutputType", "String")
        if name not in given:
            raise StepFailure(f"ClientError: the output parameter {name!r} was not returned")
        text = as_text(given[name])
        try:
            outputs[name] = as_type(text, kind_of)
        except ValueError as error:
            reason = f"ClientError: the output parameter {name!r} is no {kind_of}: {text!r}"
            raise StepFailure(reason) from error
        if len(text) > OUTPUT_CHARS:
            raise StepFailure(f"ClientError: the output parameter {name!r} is longer than 1024")
    listed = [{"Name": name, "Value": as_text(value)} for name, value in outputs.items()]
    run.record.set(Metadata={kind: {**metadata, "OutputParameters": listed}})
    run.record.properties = {"OutputParameters": outputs}


def not_run(run: StepRun, request: Json) -> None:  # noqa: ARG001 - as the others
    """Fail honestly.

    Raises:
        StepFailure: always.

    """
    known = ", ".join(RUNNERS)
    raise StepFailure(f"the local AWS runs no {run.step.type} steps; it runs {known}")


RUNNERS: dict[str, Callable[[StepRun, Json], None]] = {
    **dict.fromkeys(pipelines_jobs.JOBS, pipelines_jobs.run_job),
    "Model": pipelines_jobs.create_model,
    "RegisterModel": pipelines_jobs.register_model,
    "EMRServerless": pipelines_jobs.run_emr_serverless,
    "Condition": _condition,
    "Lambda": _lambda,
    "Callback": _callback,
    "Fail": _fail,
}
