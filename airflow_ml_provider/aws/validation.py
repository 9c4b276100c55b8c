"""Requests held against botocore's own description of AWS, with no credentials and no network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from botocore.model import Shape

    from airflow_ml_provider.jobs.kind import JobKind
    from airflow_ml_provider.jobs.state import Json

_BOOLEANS = {"true": True, "false": False}
_MAX_CHOICES_SHOWN = 12


def request_problems(service: str, operation: str, params: Json) -> list[str]:
    """Name everything in a request that AWS would refuse, each with its path; empty if it is good.

    Unknown and missing fields, types, ranges, lengths, patterns and choices, as far as botocore's
    model has them.
    """
    shape = _input_shape(service, operation)
    errors = ParamValidator().validate(params, shape)
    problems = errors.generate_report().splitlines() if errors.has_errors() else []
    return [*problems, *_constraint_problems(params, shape, operation)]


def coerce(service: str, operation: str, params: Json) -> dict[str, Any]:
    """Turn the strings that a template rendered into the numbers and booleans that AWS wants.

    ``"2"`` becomes 2 where AWS has an integer, and 6 becomes ``"6"`` where AWS has a string, such
    as in a map of hyperparameters. What can't be turned, and fields that AWS doesn't know, stay as
    they are; :func:`request_problems` names them.
    """
    result: dict[str, Any] = _coerced(params, _input_shape(service, operation))
    return result


def coerce_job_request(kind: JobKind, request: Json) -> dict[str, Any]:
    """Coerce a job's request, and the requests of other operations that it holds."""
    result = coerce(kind.service, kind.operation, request)
    for key, operation in kind.embedded.items():
        if key in result:
            result[key] = coerce(kind.service, operation, result[key])
    return result


def job_request_problems(kind: JobKind, request: Json) -> list[str]:
    """Name the problems of every call that would start the job."""
    return [
        problem
        for operation, params in kind.requests(request)
        for problem in request_problems(kind.service, operation, params)
    ]


def operation_names(service: str) -> Collection[str]:
    """Name the operations of a service, such as ``CreateTrainingJob``."""
    names: Collection[str] = _service_model(service).operation_names
    return names


@lru_cache(maxsize=16)
def _service_model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def _input_shape(service: str, operation: str) -> Shape:
    shape = _service_model(service).operation_model(operation).input_shape
    if shape is None:
        raise ValueError(f"{service} {operation} takes no parameters.")
    return shape


def _coerced(value: Any, shape: Any) -> Any:
    kind: str = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        return {
            key: _coerced(one, shape.members[key]) if key in shape.members else one
            for key, one in value.items()
        }
    if kind == "map" and isinstance(value, Mapping):
        return {_coerced(key, shape.key): _coerced(one, shape.value) for key, one in value.items()}
    if kind == "list" and isinstance(value, (list, tuple)):
        return [_coerced(one, shape.member) for one in value]
    turn = _SCALARS.get(kind)
    return turn(value) if turn else value


def _as_integer(value: Any) -> Any:
    return _parsed(int, value)


def _as_float(value: Any) -> Any:
    return _parsed(float, value)


def _parsed(parse: Callable[[str], Any], value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError:
        return value


def _as_boolean(value: Any) -> Any:
    return _BOOLEANS.get(value.strip().lower(), value) if isinstance(value, str) else value


def _as_string(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "integer": _as_integer,
    "long": _as_integer,
    "float": _as_float,
    "double": _as_float,
    "boolean": _as_boolean,
    "string": _as_string,
}


def _constraint_problems(value: Any, shape: Any, path: str) -> Iterator[str]:
    kind: str = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        for key, one in value.items():
            if key in shape.members:
                yield from _constraint_problems(one, shape.members[key], f"{path}.{key}")
    elif kind == "map" and isinstance(value, Mapping):
        yield from _length_problems(value, shape, path, "entries")
        for key, one in value.items():
            yield from _constraint_problems(key, shape.key, f"{path} (key {key!r})")
            yield from _constraint_problems(one, shape.value, f"{path}.{key}")
    elif kind == "list" and isinstance(value, (list, tuple)):
        yield from _length_problems(value, shape, path, "entries")
        for index, one in enumerate(value):
            yield from _constraint_problems(one, shape.member, f"{path}[{index}]")
    elif kind == "string" and isinstance(value, str):
        yield from _string_problems(value, shape, path)
    elif isinstance(value, (int, float)) and value > shape.metadata.get("max", value):
        # botocore itself checks minima only.
        yield f"{path} is {value}; at most {shape.metadata['max']} is allowed."


def _string_problems(value: str, shape: Any, path: str) -> Iterator[str]:
    yield from _length_problems(value, shape, path, "characters")
    choices = shape.metadata.get("enum")
    if choices and value not in choices:
        more = len(choices) - _MAX_CHOICES_SHOWN
        shown = ", ".join(choices[:_MAX_CHOICES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        yield f"{path} is {value!r}; allowed are {shown}."
    pattern = _pattern(shape.metadata.get("pattern"))
    if pattern and not pattern.fullmatch(value):
        yield f"{path} is {value!r}; it must match {pattern.pattern}."


def _length_problems(value: Any, shape: Any, path: str, unit: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and len(value) > most:
        yield f"{path} has {len(value)} {unit}; at most {most} are allowed."
    if least is not None and len(value) < least:
        yield f"{path} has {len(value)} {unit}; at least {least} are needed."


@lru_cache(maxsize=1024)
def _pattern(text: str | None) -> re.Pattern[str] | None:
    """Compile AWS's pattern; some are Java's and mean nothing to Python, those are not checked."""
    try:
        return re.compile(text) if text else None
    except re.error:
        return None
