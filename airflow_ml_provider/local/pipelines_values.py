"""The values of a pipeline definition: ``Get``, ``Std:Join`` and ``Std:JsonGet``.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_ml_provider.local.protocol import Json

EXPRESSIONS = ("Get", "Std:Join", "Std:JsonGet")
_PART = re.compile(r"\.?([A-Za-z0-9_-]+)|\[(\d+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


class ValueUnknownError(Exception):
    """A reference that names nothing, or names what can't be used there."""


@dataclass(frozen=True)
class Sources:
    """Where values come from; each raises `ValueUnknownError` for what isn't there.

    Args:
        parameter: the value of a parameter.
        execution: a variable of the execution, such as ``PipelineExecutionId``.
        step: what AWS describes of an ended step.
        property_file: the JSON of a step's property file.
        s3_file: the JSON of an object, by its URI.

    """

    parameter: Callable[[str], Any]
    execution: Callable[[str], Any]
    step: Callable[[str], Json]
    property_file: Callable[[str, str], Any]
    s3_file: Callable[[str], Any]


def expression(value: Any) -> str | None:
    """Return which expression a JSON value is, or None if it is plain JSON."""
    if isinstance(value, dict) and len(value) == 1:
        key = next(iter(value))
        return key if key in EXPRESSIONS else None
    return None


def expressions(value: Any) -> Iterator[tuple[str, Any]]:
    """List (kind, content) of all expressions in a value, at any depth, inside each other too."""
    kind = expression(value)
    if kind:
        yield kind, value[kind]
    if isinstance(value, dict):
        for item in value.values():
            yield from expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from expressions(item)


def references(value: Any) -> Iterator[str]:
    """List the targets of all ``Get`` in a value, at any depth: ``Steps.train.ModelName``."""
    return (str(content) for kind, content in expressions(value) if kind == "Get")


def step_reference(target: str) -> tuple[str, str] | None:
    """Return (step, path) of a ``Steps.<step>.<path>`` target, or None if it is another."""
    first, _, rest = target.partition(".")
    if first != "Steps":
        return None
    match = re.match(r"[A-Za-z0-9_-]+", rest)
    name = match.group() if match else ""
    return name, rest[len(name) :].removeprefix(".")


def resolve(value: Any, sources: Sources) -> Any:
    """Return a value with all its expressions replaced by what they stand for.

    Raises:
        ValueUnknownError: if one stands for nothing.

    """
    kind = expression(value)
    if kind == "Get":
        return _get(str(value["Get"]), sources)
    if kind == "Std:Join":
        parts = (resolve(part, sources) for part in value[kind]["Values"])
        return str(value[kind].get("On", "")).join(map(as_text, parts))
    if kind == "Std:JsonGet":
        return _json_get(value[kind], sources)
    if isinstance(value, dict):
        return {key: resolve(item, sources) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, sources) for item in value]
    return value


def as_text(value: Any) -> str:
    """Return a scalar as ``Std:Join`` writes it.

    Raises:
        ValueUnknownError: for lists, objects and null.

    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueUnknownError(
        f"Std:Join joins text and numbers, not {json.dumps(value, default=str)}"
    )


def at_path(document: Any, path: str, what: str) -> Any:
    """Return what lies at a path such as ``a.b[0]['c']`` in a JSON document.

    In a list ``['c']`` is the item whose name is ``c``, as in lists of outputs.

    Raises:
        ValueUnknownError: if there is nothing; `what` names the document in its message.

    """
    found = document
    for part in split_path(path):
        found = _item(found, part)
        if found is None:
            raise ValueUnknownError(f"{what} has nothing at {path!r}")
    return found


def split_path(path: str) -> list[str | int]:
    """Return the parts of a path; numbers in brackets are places in lists.

    Raises:
        ValueUnknownError: if it isn't a path.

    """
    rest = path.removeprefix("$")
    parts: list[str | int] = []
    while rest:
        match = _PART.match(rest)
        if match is None:
            raise ValueUnknownError(f"{path!r} is not a path such as a.b[0]['c']")
        name, place, *quoted = match.groups()
        parts.append(int(place) if place else next(p for p in (name, *quoted) if p is not None))
        rest = rest[match.end() :]
    return parts


def _item(value: Any, part: str | int) -> Any:
    if isinstance(value, list):
        if isinstance(part, int):
            return value[part] if part < len(value) else None
        return next((item for item in value if part in _names(item)), None)
    return value.get(str(part)) if isinstance(value, dict) else None


def _names(item: Any) -> list[Any]:
    # Each API names its items by its own field: OutputName, ChannelName, MetricName.
    return [v for k, v in item.items() if k.endswith("Name")] if isinstance(item, dict) else []


def _get(target: str, sources: Sources) -> Any:
    step = step_reference(target)
    if step:
        return at_path(sources.step(step[0]), step[1], f"step {step[0]!r}")
    kind, _, name = target.partition(".")
    if kind == "Parameters":
        return sources.parameter(name)
    if kind == "Execution":
        return sources.execution(name)
    raise ValueUnknownError(f"{target!r} is not a reference")


def _json_get(spec: Json, sources: Sources) -> Any:
    path = str(spec["Path"])
    if "S3Uri" in spec:
        uri = str(resolve(spec["S3Uri"], sources))
        return at_path(sources.s3_file(uri), path, uri)
    step, file = property_file(spec) or ("", "")
    what = f"the property file {file!r} of step {step!r}"
    return at_path(sources.property_file(step, file), path, what)


def property_file(spec: Json) -> tuple[str, str] | None:
    """Return (step, property file) that a ``Std:JsonGet`` reads, or None if it names none."""
    given = spec.get("PropertyFile")
    target = given.get("Get", "") if isinstance(given, dict) else ""
    step = step_reference(target)
    if step is None:
        return None
    kind, _, name = step[1].partition(".")
    return (step[0], name) if kind == "PropertyFiles" and name else None


def read_json(text: str) -> Any:
    """Return a JSON document; AWS takes no NaN and no infinity.

    Raises:
        ValueUnknownError: if it isn't JSON.

    """

    def refuse(constant: str) -> Any:
        raise ValueUnknownError(f"{constant} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise ValueUnknownError(f"it is not JSON: {error}") from error
