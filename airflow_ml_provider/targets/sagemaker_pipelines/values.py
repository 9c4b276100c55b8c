"""Values of a plan in the language of a definition: ``Get``, ``Std:Join``, ``Std:JsonGet``.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import (
    Code,
    Item,
    JobField,
    Metric,
    Parameter,
    ResourceName,
    Run,
    Text,
    Token,
    replace_values,
)
from airflow_ml_provider.plan.nodes import Invoke, Job
from airflow_ml_provider.targets.data_paths import PATHS, Position, path_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_ml_provider.plan.nodes import Node, Plan
    from airflow_ml_provider.targets.sagemaker_pipelines.units import Unit

REPORT = "Report"
"""The name of the property file of a step's report."""

RUN_PARAMETERS = {
    Run.KEY: "run_key",
    Run.DATE: "run_date",
    Run.INTERVAL_START: "data_interval_start",
    Run.INTERVAL_END: "data_interval_end",
}
"""Parameters of the definition that tell what a run knows of itself."""

_EXECUTION_ID = {"Get": "Execution.PipelineExecutionId"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Scope:
    """Where a value stands: in which step of which plan."""

    plan: Plan
    nodes: Mapping[str, Node]
    unit: Unit

    def name(self, step: str) -> str:
        """Give the name of what is another step of the plan in this place."""
        return self.unit.names.get(step, step)


def spelled(value: Any, scope: Scope) -> Any:
    """Copy JSON with each value in the definition's language; fields with a token are left out.

    The service names and guards what it starts, so that it needs no client token.
    """
    return replace_values(_without_tokens(value), lambda item: _one(item, scope))


def run_key(plan: Plan) -> dict[str, Any]:
    """Give what names the run in every S3 path."""
    if plan.keyed_by == "execution":
        return dict(_EXECUTION_ID)
    return {"Get": f"Parameters.{RUN_PARAMETERS[Run.KEY]}"}


def references(document: Any) -> Iterator[str]:
    """List what ``Get`` names in a piece of a definition: ``Parameters.x``, ``Steps.train.A``."""
    if isinstance(document, dict):
        if set(document) == {"Get"}:
            yield document["Get"]
        else:
            for item in document.values():
                yield from references(item)
    elif isinstance(document, list):
        for item in document:
            yield from references(item)


def _without_tokens(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_tokens(item) for key, item in value.items() if not isinstance(item, Token)
        }
    return [_without_tokens(item) for item in value] if isinstance(value, (list, tuple)) else value


def _one(value: Any, scope: Scope) -> Any:
    if isinstance(value, (Text, Code, *PATHS)):
        return _joined(_parts(value, scope))
    if isinstance(value, Item):
        return _item(value, scope)
    if isinstance(value, Metric):
        return {
            "Std:JsonGet": {
                "PropertyFile": {"Get": f"Steps.{scope.name(value.step)}.PropertyFiles.{REPORT}"},
                "Path": _path(value.path),
            }
        }
    return {"Get": _reference(value, scope)}


def _reference(value: Run | Parameter | JobField | ResourceName, scope: Scope) -> str:
    if isinstance(value, Parameter):
        return f"Parameters.{value.name}"
    if isinstance(value, ResourceName):
        return f"Steps.{scope.name(value.step)}.ModelName"
    if isinstance(value, JobField):
        return f"Steps.{scope.name(value.step)}.{_field(value, scope.nodes.get(value.step))}"
    if value is Run.KEY:
        return str(run_key(scope.plan)["Get"])
    if value is Run.ID:
        return _EXECUTION_ID["Get"]
    return f"Parameters.{RUN_PARAMETERS[value]}"


def _field(value: JobField, node: Node | None) -> str:
    if isinstance(node, Invoke):
        return f"OutputParameters[{value.path[0]!r}]"
    # GetJobRun answers the run in a field of its own; all others answer the job itself.
    nested = ("jobRun",) if isinstance(node, Job) and node.kind == "emr_serverless" else ()
    return _path((*nested, *value.path), indices=True)


def _path(path: Iterable[str], *, indices: bool = False) -> str:
    """Spell a path; names with dots or dashes go into brackets, places in a list do, too."""
    found = ""
    for name in path:
        if _NAME.fullmatch(name):
            found += f".{name}" if found else name
        elif indices and name.isdigit():
            found += f"[{name}]"
        else:
            found += f"[{name!r}]"
    return found


def _item(value: Item, scope: Scope) -> Any:
    item = scope.unit.item
    assert item is not None  # noqa: S101 - the pipeline is checked: it stands in its map
    found = item.value
    for key in value.path:
        found = found[int(key)] if isinstance(found, (list, tuple)) else found[key]
    return found


def _parts(value: Any, scope: Scope) -> list[Any]:
    """List what a text is made of: texts, and the definition's expressions."""
    root = scope.plan.root
    if isinstance(value, Text):
        return [part for inner in value.parts for part in _parts(inner, scope)]
    if isinstance(value, PATHS):
        item = scope.unit.item
        known: dict[Any, Any] = {
            Run.KEY: run_key(scope.plan),
            Position.INDEX: str(item and item.index),
        }
        parts = path_parts(value, root, scope.plan.name, item.steps if item else ())
        return [known.get(part, part) for part in parts]
    if isinstance(value, Code):
        # Only where a plan is looked at before its code is staged.
        return [f"{root}/code/{'/'.join(value.files)}"]
    found = replace_values(value, lambda item: _one(item, scope))
    if isinstance(value, Item) and not isinstance(found, str):
        return [json.dumps(found)]
    return [found if isinstance(found, dict) else str(found)]


def _joined(parts: list[Any]) -> Any:
    merged: list[Any] = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    if all(isinstance(part, str) for part in merged):
        return "".join(merged)
    return {"Std:Join": {"On": "", "Values": merged}}
