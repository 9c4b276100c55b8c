"""A request held against botocore's own model of the service, worded as AWS words it.

botocore's client checks types and required members only; the service also checks lengths,
enumerations and patterns, and reports every problem at once.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local.protocol import AwsError, Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel, Shape

MAX_PROBLEMS = 20
MAX_ENUM_VALUES = 30
JOB_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
_ERROR_CODES = {"glue": "InvalidInputException", "logs": "InvalidParameterException"}
# Newer botocore models may drop patterns; this one is documented for all SageMaker jobs.
_PATTERNS = {
    "TrainingJobName": JOB_NAME,
    "ProcessingJobName": JOB_NAME,
    "TransformJobName": JOB_NAME,
    "HyperParameterTuningJobName": r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}",
}
_TYPES: dict[str, tuple[type[Any], ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (datetime,),
}


def check(service: str, model: OperationModel, params: Json) -> None:
    """Refuse a request that the service's model doesn't allow.

    Raises:
        AwsError: ``ValidationException`` or the service's own word for it, with all problems.

    """
    problems = list(_problems(model.input_shape, params, ""))
    if problems:
        raise invalid(service, problems)


def invalid(service: str, problems: list[str]) -> AwsError:
    """Return the one error that tells all problems of a request."""
    noun = "error" if len(problems) == 1 else "errors"
    shown = problems[:MAX_PROBLEMS]
    if len(problems) > MAX_PROBLEMS:
        shown.append(f"and {len(problems) - MAX_PROBLEMS} more")
    return AwsError(
        _ERROR_CODES.get(service, "ValidationException"),
        f"{len(problems)} validation {noun} detected: {'; '.join(shown)}",
    )


def problem(value: Any, path: str, constraint: str) -> str:
    """Word one problem as AWS does."""
    given = "null" if value is None else f"'{value}'"
    return f"Value {given} at '{path}' failed to satisfy constraint: {constraint}"


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if not isinstance(value, _TYPES.get(kind, (object,))) or (
        isinstance(value, bool) and kind != "boolean"
    ):
        yield problem(value, path, f"Member must be of type {kind}")
    elif kind == "structure":
        yield from _structure(shape, value, path)
    elif kind == "list":
        yield from _length(shape, value, len(value), path)
        for n, item in enumerate(value, 1):
            yield from _problems(shape.member, item, f"{path}.{n}.member")
    elif kind == "map":
        yield from _length(shape, value, len(value), path)
        for key, item in value.items():
            yield from _problems(shape.key, key, f"{path}.key")
            yield from _problems(shape.value, item, f"{path}.{key}.member")
    elif kind == "string":
        yield from _length(shape, value, len(value), path)
        yield from _string(shape, value, path)
    elif kind in ("integer", "long", "float", "double"):
        yield from _range(shape, value, path)


def _structure(shape: Shape, value: Json, path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield problem(None, _join(path, name), "Member must not be null")
    members = shape.members
    given = [name for name, item in value.items() if name in members and item is not None]
    if shape.metadata.get("union") and len(given) != 1:
        yield problem(given, path, "exactly one member of the union must be set")
    for name in given:
        yield from _problems(members[name], value[name], _join(path, name))


def _join(path: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _length(shape: Shape, value: Any, length: int, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and length < low:
        yield problem(value, path, f"Member must have length greater than or equal to {low}")
    if high is not None and length > high:
        yield problem(value, path, f"Member must have length less than or equal to {high}")


def _range(shape: Shape, value: float, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and value < low:
        yield problem(value, path, f"Member must have value greater than or equal to {low}")
    if high is not None and value > high:
        yield problem(value, path, f"Member must have value less than or equal to {high}")


def _string(shape: Shape, value: str, path: str) -> Iterator[str]:
    enum = shape.metadata.get("enum")
    if enum and value not in enum:
        shown = ", ".join(enum[:MAX_ENUM_VALUES]) + (", ..." if len(enum) > MAX_ENUM_VALUES else "")
        yield problem(value, path, f"Member must satisfy enum value set: [{shown}]")
    pattern = shape.metadata.get("pattern") or _PATTERNS.get(shape.name)
    compiled = _compile(pattern) if pattern else None
    if compiled and not compiled.fullmatch(value):
        yield problem(value, path, f"Member must satisfy regular expression pattern: {pattern}")


@cache
def _compile(pattern: str) -> re.Pattern[str] | None:
    # AWS's patterns are Java's; the few that Python can't read (\p{L}, surrogates) go unchecked.
    try:
        return re.compile(pattern)
    except re.error:
        return None
