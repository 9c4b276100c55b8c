"""What steps refer to: which order follows from it, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.control_steps import (
    Approval,
    Choice,
    Fail,
    Map,
    Notify,
    all_steps,
    blocks_of,
)
from airflow_ml_provider.pipeline.data_steps import SqlExtract
from airflow_ml_provider.pipeline.step import Step
from airflow_ml_provider.pipeline.values import (
    Dataset,
    Item,
    JobField,
    Metric,
    Output,
    Parameter,
    ResourceName,
    find,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from typing_extensions import TypeAlias

    from airflow_ml_provider.pipeline.pipeline import Pipeline

    Reference: TypeAlias = "Output | JobField | Metric | ResourceName | Step"
    Held: TypeAlias = "Reference | Dataset | Parameter | Item"
    Scope: TypeAlias = "tuple[str, ...]"

LOCATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_ORDER = frozenset({"after", "then", "otherwise", "body", "fallback"})
_REFERENCES = (Output, JobField, Metric, ResourceName, Step)
_HELD = (*_REFERENCES, Dataset, Parameter, Item)
_WITHOUT_ANSWER = (SqlExtract, Choice, Map, Approval, Fail, Notify)


def held_by(step: Step) -> list[Held]:
    """List the references, datasets, parameters and items of a step itself.

    Those of the blocks in it, and ``after``, which is order alone, are left out.
    """
    own = [getattr(step, field.name) for field in fields(step) if field.name not in _ORDER]
    return find(own, _HELD)


def needs_of(step: Step, pipeline: Pipeline) -> set[str]:
    """Name the steps that must be there before, those that the blocks in it need, too."""
    names = {
        step_of(value)
        for value in pipeline.held(step)
        # A plain request names the step's own outputs.
        if isinstance(value, _REFERENCES) and value != Output(step.name, getattr(value, "name", ""))
    }
    names.update(other.name for other in step.after)
    blocks = [block for _, block in blocks_of(step)]
    if blocks:
        for inner in (inner for block in blocks for inner in block):
            names |= needs_of(inner, pipeline)
        names -= {inner.name for inner in all_steps((step,))}
    return names


def step_of(reference: Reference) -> str:
    """Give the name of the step that a reference needs."""
    return reference.name if isinstance(reference, Step) else reference.step


def scopes_of(steps: Sequence[Step], scope: Scope = ()) -> Iterator[tuple[str, Scope]]:
    """Yield each step's name with the blocks that it lies in, outermost first."""
    for step in steps:
        yield step.name, scope
        for field, block in blocks_of(step):
            yield from scopes_of(block, (*scope, f"{step.name}.{field}"))


def reference_problems(
    step: Step,
    held: Sequence[Held],
    by_name: Mapping[str, Step],
    scopes: Mapping[str, Scope],
) -> Iterator[str]:
    """Name what is wrong with what a step refers to, and with its place."""
    scope = scopes[step.name]
    around = [one for one in scope if one.endswith(".body")]
    if isinstance(step, Map) and around:
        yield f"it lies inside {around[-1]!r}; maps may not be nested: give one map all items"
    if isinstance(step, SqlExtract) and step.watermark is not None and around:
        yield from _watermark_problems(by_name[around[-1].removesuffix(".body")])
    for value in held:
        if isinstance(value, Dataset):
            if not LOCATION.fullmatch(value.name):
                yield f"dataset {value.name!r} must be letters, digits, - or _"
        elif isinstance(value, Item):
            yield from _item_problems(value, by_name, scope)
        elif isinstance(value, Parameter):
            listed = isinstance(value.default, (list, tuple))
            if listed and not (isinstance(step, Map) and step.items == value):
                yield f"parameter {value.name!r} is a list, which only a Map may take, as its items"
        else:
            yield from _data_problems(step, value, by_name, scopes)
    yield from _order_problems(step, scopes)


def _watermark_problems(around: Step) -> Iterator[str]:
    # What was read before is known by the item's place.
    if isinstance(around, Map) and isinstance(around.items, Parameter):
        yield (
            f"watermark: the items of {around.name!r} may be others in the next run; give the map "
            "a list, or bound the query by :data_interval_start"
        )


def _order_problems(step: Step, scopes: Mapping[str, Scope]) -> Iterator[str]:
    own = scopes[step.name]
    for other in step.after:
        scope = scopes.get(other.name)
        if scope is None:
            yield f"after: {other.name!r} is no step of the pipeline"
        elif scope != own:
            there, here = (repr(one[-1]) if one else "no block" for one in (scope, own))
            yield f"after: {other.name!r} lies in {there}, this step in {here}; name its neighbours"


def _data_problems(
    step: Step, reference: Reference, by_name: Mapping[str, Step], scopes: Mapping[str, Scope]
) -> Iterator[str]:
    name = step_of(reference)
    target = by_name.get(name)
    if target is None:
        known = ", ".join(sorted(by_name))
        yield f"it refers to the unknown step {name!r}; the pipeline has {known}"
        return
    scope, own = scopes[name], scopes[step.name]
    if own[: len(scope)] != scope:
        why = "runs once an item" if scope[-1].endswith(".body") else "may not run"
        yield f"it refers to {name!r} inside {scope[-1]!r}, which {why}; move one of them"
    elif f"{name}.fallback" in own:
        yield f"it refers to {name!r}, which failed when its fallback runs"
    elif target.fallback and target is not step:
        yield (
            f"it refers to {name!r}, whose data may be missing since it has a fallback; "
            "drop the fallback or wait for it by after=..."
        )
    if isinstance(reference, Output) and reference.name not in target.output_names:
        names = ", ".join(target.output_names) or "none"
        yield f"it refers to the output {reference.name!r} of {name!r}, which has {names}"
    if isinstance(reference, Metric) and target.metrics_report is None:
        yield f"it refers to a metric of {name!r}, which has no report; give report=Report(...)"
    if isinstance(reference, JobField) and isinstance(target, _WITHOUT_ANSWER):
        yield f"it refers to a job's field of {name!r}, which is a {type(target).__name__}"


def _item_problems(item: Item, by_name: Mapping[str, Step], scope: Scope) -> Iterator[str]:
    target = by_name.get(item.map)
    if not isinstance(target, Map):
        yield f"it uses an item of {item.map!r}, which is no Map of the pipeline"
        return
    if f"{item.map}.body" not in scope:
        yield f"it uses an item of {item.map!r} outside of its body; move it there"
    items = target.items.default if isinstance(target.items, Parameter) else target.items
    for number, one in enumerate(items if isinstance(items, (list, tuple)) else ()):
        below = one
        for key in item.path:
            if not isinstance(below, dict) or key not in below:
                yield f"it uses {'.'.join(item.path)!r} of item {number} of {item.map!r}: {one!r}"
                return
            below = below[key]
