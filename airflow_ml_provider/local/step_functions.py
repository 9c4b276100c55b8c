"""Step Functions: state machines that really run. Moto interprets them, and keeps them.

Held here is what AWS's API promises beyond that: names that are taken once, input and output that
are JSON, tokens that are used up, and executions that end when they are stopped.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

from __future__ import annotations

import json
import uuid
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.core.config import default_user_config
from moto.core.exceptions import AWSError
from moto.stepfunctions import models

from airflow_ml_provider.local.protocol import AwsError, Call, Json, Operations
from airflow_ml_provider.local.step_functions_roles import RoleArn, started_by
from airflow_ml_provider.local.store import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_ml_provider.local.cloud import Cloud

SERVICE = "stepfunctions"
DEFAULT_PAGE = 100
MAX_DEFINITION_PROBLEM = 500
_SAME_MACHINE = ("definition", "type", "loggingConfiguration", "tracingConfiguration")
_DEFAULTS: Json = {
    "type": "STANDARD",
    "loggingConfiguration": {"level": "OFF"},
    "tracingConfiguration": {"enabled": False},
}


def operations(cloud: Cloud) -> Operations:
    """Return the operations of state machines, executions and task tokens."""
    lock = Lock()
    found: dict[str, Callable[[Call], Json]] = {
        "CreateStateMachine": partial(_create, lock),
        "UpdateStateMachine": _update,
        "StartExecution": partial(_start, cloud, lock),
        "StopExecution": _stop,
        "DescribeExecution": _describe,
        "ListExecutions": _list,
        "GetExecutionHistory": _history,
        "SendTaskSuccess": _succeed,
        "SendTaskFailure": _fail,
        "SendTaskHeartbeat": _beat,
    }
    return {(SERVICE, name): operation for name, operation in found.items()}


def switch(*, on: bool) -> None:
    """Let moto execute state machines, or not: all servers of a process share its setting."""
    default_user_config["stepfunctions"] = {"execute_state_machine": on}
    if on:
        # Before CloudFormation makes a state machine, the interpreter must be ours.
        models.StateMachine.create_from_cloudformation_json = classmethod(_from_cloudformation)  # type: ignore[method-assign,assignment]


def close(cloud: Cloud) -> None:
    """Stop the executions that this server started."""
    for backends in list(models.stepfunctions_backends.values()):
        for backend in list(backends.values()):
            for execution in _executions(backend):
                if _cloud_of(execution) is cloud and execution.status == "RUNNING":
                    _end(execution, "the local AWS ends", None)


_moto_from_cloudformation = models.StateMachine.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]


def _from_cloudformation(cls: Any, *args: Any, **kwargs: Any) -> Any:
    _interpreter()
    return _moto_from_cloudformation(cls, *args, **kwargs)


def _interpreter() -> None:
    # Imported late: moto's parser takes a second, and few ask for it.
    from airflow_ml_provider.local.step_functions_patches import install  # noqa: PLC0415

    install()


def _backend(call: Call) -> Any:
    _interpreter()
    return models.stepfunctions_backends[call.identity.account][call.identity.region]


def _executions(backend: Any) -> Iterator[Any]:
    for machine in list(backend.state_machines):
        yield from list(machine.executions)


def _cloud_of(execution: Any) -> Cloud | None:
    role = execution.exec_worker.env.aws_execution_details.role_arn
    return role.cloud if isinstance(role, RoleArn) else None


def _execution(call: Call) -> Any:
    arn = call.params["executionArn"]
    for execution in _executions(_backend(call)):
        if execution.execution_arn == arn:
            return execution
    raise AwsError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def _create(lock: Lock, call: Call) -> Json:
    params = call.params
    _validate(call)
    with lock:
        for machine in _backend(call).state_machines:
            if machine.name != params["name"]:
                continue
            if all(
                params.get(field, _DEFAULTS.get(field)) == getattr(machine, field)
                for field in _SAME_MACHINE
            ):
                return {"stateMachineArn": machine.arn, "creationDate": machine.creation_date}
            raise AwsError(
                "StateMachineAlreadyExists", f"State Machine Already Exists: '{machine.arn}'"
            )
        return call.forward()


def _update(call: Call) -> Json:
    if "definition" in call.params:
        _validate(call)
    return call.forward()


def _validate(call: Call) -> None:
    try:
        _backend(call)._validate_definition(call.params["definition"])  # noqa: SLF001
    except AWSError as error:
        said = str(error.message)[:MAX_DEFINITION_PROBLEM]
        raise AwsError(
            "InvalidDefinition", f"Invalid State Machine Definition: '{said}'"
        ) from error


def _start(cloud: Cloud, lock: Lock, call: Call) -> Json:
    params = call.params
    name, given = params.get("name") or str(uuid.uuid4()), params.get("input", "{}")
    _require_json(given, "InvalidExecutionInput", "Invalid State Machine Execution Input")
    backend = _backend(call)
    with lock, started_by(cloud, call.identity):
        try:
            backend._validate_name(name)  # noqa: SLF001
            execution = backend.start_execution(params["stateMachineArn"], name, given)
        except AWSError as error:
            raise AwsError(error.error_type, error.message) from error
    return {"executionArn": execution.execution_arn, "startDate": execution.start_date}


def _require_json(text: str, code: str, what: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise AwsError(code, f"{what}: '{error}'") from error


def _stop(call: Call) -> Json:
    execution = _execution(call)
    if execution.status == "RUNNING":
        _end(execution, call.params.get("cause"), call.params.get("error"))
    return {"stopDate": execution.stop_date}


def _end(execution: Any, cause: str | None, error: str | None) -> None:
    from moto.stepfunctions.parser.api import ExecutionStatus  # noqa: PLC0415

    execution.stop_date = now()
    execution.cause, execution.error = cause, error
    execution.exec_status = ExecutionStatus.ABORTED
    execution.stop(execution.stop_date, error, cause)


def _describe(call: Call) -> Json:
    execution = _execution(call)
    found: Json = call.forward()
    if found["status"] != "RUNNING":
        found["stopDate"] = execution.stop_date
    if found["status"] == "SUCCEEDED":  # moto leaves a text as it is, AWS gives JSON
        found["output"] = json.dumps(execution.output, separators=(",", ":"))
    return found


def _list(call: Call) -> Json:
    found = call.forward()
    stopped = {e.execution_arn: e.stop_date for e in _executions(_backend(call)) if e.stop_date}
    listed = [
        {**item, "stopDate": stopped[arn]} if (arn := item["executionArn"]) in stopped else item
        for item in found["executions"]
    ]
    return {**found, "executions": listed}


def _history(call: Call) -> Json:
    params = call.params
    events = call.forward()["events"]
    if params.get("reverseOrder"):
        events.reverse()
    # The token is the last event's id: events that come meanwhile shift no page.
    after = params.get("nextToken")
    if after is not None:
        ids = [str(event["id"]) for event in events]
        if after not in ids:
            raise AwsError("InvalidToken", f"Invalid Token: '{after}'")
        events = events[ids.index(after) + 1 :]
    size = params.get("maxResults") or DEFAULT_PAGE
    more = len(events) > size
    events = events[:size]
    return {"events": events, "nextToken": str(events[-1]["id"]) if more else None}


def _endpoint(call: Call) -> Any:
    """Return what waits for a task token."""
    token = call.params["taskToken"]
    for execution in _executions(_backend(call)):
        endpoint = execution.exec_worker.env.callback_pool_manager.get(token)
        if endpoint is None:
            continue
        if endpoint.consumer_error or execution.status != "RUNNING":
            raise AwsError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        return endpoint
    raise AwsError("InvalidToken", "Invalid Token: 'Invalid token'")


def _succeed(call: Call) -> Json:
    from moto.stepfunctions.parser.asl.eval.callback import callback  # noqa: PLC0415

    params = call.params
    _require_json(params["output"], "InvalidOutput", "Invalid Output")
    outcome = callback.CallbackOutcomeSuccess(params["taskToken"], params["output"])
    _endpoint(call).notify(outcome)
    return {}


def _fail(call: Call) -> Json:
    from moto.stepfunctions.parser.asl.eval.callback import callback  # noqa: PLC0415

    params = call.params
    error, cause = params.get("error"), params.get("cause")
    outcome = callback.CallbackOutcomeFailure(params["taskToken"], error, cause)
    _endpoint(call).notify(outcome)
    return {}


def _beat(call: Call) -> Json:
    _endpoint(call).notify_heartbeat()
    return {}
