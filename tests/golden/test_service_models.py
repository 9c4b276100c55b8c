"""The requests in compiled documents are such as AWS's own models of its services take."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel, Shape

HERE = Path(__file__).parent
SDK_NAMES = {"eventbridge": "events", "cloudwatchlogs": "logs", "sfn": "stepfunctions"}
STEPS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "Tuning": "CreateHyperParameterTuningJob",
    "Transform": "CreateTransformJob",
    "Model": "CreateModel",
    "RegisterModel": "CreateModelPackage",
}
PLAIN = {"string": str, "blob": str, "integer": int, "long": int, "boolean": bool, "double": float}
# SageMaker Pipelines gives these names itself.
NAMED = {
    f"{noun}Name"
    for noun in ("ProcessingJob", "TrainingJob", "HyperParameterTuningJob", "TransformJob", "Model")
}


@cache
def operation(service: str, name: str) -> OperationModel:
    names = botocore.session.get_session().get_available_services()
    plain = {one.replace("-", ""): one for one in names}
    found = SDK_NAMES.get(service) or plain[service.replace("-", "")]
    model = botocore.session.get_session().get_service_model(found)
    return model.operation_model(name[:1].upper() + name[1:])


def problems(shape: Shape, value: Any, where: str, dynamic: Any) -> Iterator[str]:
    """Say what of a request does not fit a shape; ``dynamic`` tells what the run will give."""
    if dynamic(value):
        return
    kind = shape.type_name
    if kind == "structure":
        yield from fields(shape, value, where, dynamic)
    elif kind == "list":
        yield from length(shape, value, where)
        for item in value:
            yield from problems(shape.member, item, where, dynamic)
    elif kind == "map":
        yield from length(shape, value, where)
        for key, item in value.items():
            yield from problems(shape.key, key.removesuffix(".$"), where, dynamic)
            if not key.endswith(".$"):
                yield from problems(shape.value, item, f"{where}.{key}", dynamic)
    elif type(value) is not PLAIN[kind]:
        yield f"{where}: {value!r} is no {kind}"
    elif kind == "string":
        yield from text(shape, value, where)


def fields(shape: Shape, value: Any, where: str, dynamic: Any) -> Iterator[str]:
    members = {name[:1].upper() + name[1:]: member for name, member in shape.members.items()}
    given = {key.removesuffix(".$"): (key, item) for key, item in value.items()}
    yield from (f"{where}: no field {name}" for name in given.keys() - members.keys())
    required = {name[:1].upper() + name[1:] for name in shape.required_members}
    yield from (f"{where}: needs {name}" for name in required - given.keys())
    for name in given.keys() & members.keys():
        key, item = given[name]
        if not key.endswith(".$"):
            yield from problems(members[name], item, f"{where}.{name}", dynamic)


def text(shape: Shape, value: str, where: str) -> Iterator[str]:
    yield from length(shape, value, where)
    pattern = shape.metadata.get("pattern", "")
    # Those of Java that Python can't read: any text, without control characters.
    if pattern and not re.search(r"\\[pu]", pattern) and not re.fullmatch(pattern, value):
        yield f"{where}: {value!r} is not {pattern}"
    if shape.enum and value not in shape.enum:
        yield f"{where}: {value!r} is none of {shape.enum}"


def length(shape: Shape, value: Any, where: str) -> Iterator[str]:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", len(value))
    if not least <= len(value) <= most:
        yield f"{where}: {len(value)} is not from {least} to {most}"


def tasks(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for state in machine["States"].values():
        if state["Type"] == "Task":
            yield state
        for inner in (*state.get("Branches", ()), *filter(None, [state.get("ItemProcessor")])):
            yield from tasks(inner)


def steps(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in found:
        yield step
        for arm in ("IfSteps", "ElseSteps"):
            yield from steps(step["Arguments"].get(arm, []))


def test_what_does_not_fit() -> None:
    shape = operation("sagemaker", "createProcessingJob").input_shape.members["AppSpecification"]
    request = {"Image": "x", "ContainerArguments": ["x" * 300, 1]}
    assert list(problems(shape, request, "job", lambda _: False)) == [
        "job: no field Image",
        "job: needs ImageUri",
        "job.ContainerArguments: 300 is not from 0 to 256",
        "job.ContainerArguments: 1 is no string",
    ]


def documents(target: str) -> Any:
    files = sorted(HERE.glob(f"*/{target}.definition.json"))
    assert files
    return pytest.mark.parametrize("file", files, ids=lambda file: file.parent.name)


@documents("step-functions")
def test_state_machines(file: Path) -> None:
    found = []
    for state in tasks(json.loads(file.read_text(encoding="utf-8"))):
        *_, service, action = state["Resource"].split(":")
        made = operation(service, action.partition(".")[0])
        request = dict(state["Parameters"])
        if made.name == "Invoke":
            request["Payload"] = json.dumps(request.get("Payload"))
        if made.name == "SendMessage" and "MessageBody" in request:
            request["MessageBody"] = json.dumps(request["MessageBody"])
        found += problems(made.input_shape, request, made.name, lambda value: value is None)
    assert found == []


@documents("sagemaker")
def test_sagemaker_pipelines(file: Path) -> None:
    def dynamic(value: Any) -> bool:
        return isinstance(value, dict) and set(value) in ({"Get"}, {"Std:Join"}, {"Std:JsonGet"})

    found = []
    for step in steps(json.loads(file.read_text(encoding="utf-8"))["Steps"]):
        if step["Type"] in STEPS:
            made = operation("sagemaker", STEPS[step["Type"]])
            told = problems(made.input_shape, step["Arguments"], step["Name"], dynamic)
            found += [one for one in told if one.rpartition(" ")[2] not in NAMED]
    assert found == []
