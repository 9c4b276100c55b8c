"""What a plan becomes on SageMaker Pipelines, and its definition."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.plan.nodes import Choice
from airflow_ml_provider.targets.features import uses
from airflow_ml_provider.targets.finding import LOWERED, REFUSED, Finding, refuse
from airflow_ml_provider.targets.sagemaker_pipelines.definition import define
from airflow_ml_provider.targets.sagemaker_pipelines.units import (
    MAX_COPIES,
    TooManyCopiesError,
    all_units,
)
from airflow_ml_provider.targets.sagemaker_pipelines.verdicts import further, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.plan.nodes import Plan
    from airflow_ml_provider.targets.sagemaker_pipelines.definition import Definition

MAX_CHARACTERS = 1_048_576
"""Of a definition: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html"""

STEP_QUOTA = 50
"""Of steps in a pipeline; a quota can be raised, so that more is no error."""


def findings(plan: Plan) -> list[Finding]:
    """List what becomes of every feature that a plan uses."""
    return _examined(plan)[0]


def document(plan: Plan) -> dict[str, Any]:
    """Give the definition of a pipeline that does what the plan says.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html

    :raises PipelineError: with everything that SageMaker Pipelines can't do.
    """
    found, definition = _examined(plan)
    refuse(plan.name, "sagemaker", found)
    assert definition is not None  # noqa: S101 - else something was refused
    return definition.document


def _examined(plan: Plan) -> tuple[list[Finding], Definition | None]:
    found = [verdict(use, plan) for use in uses(plan)] + list(further(plan))
    if any(one.verdict == REFUSED for one in found):
        return found, None
    try:
        definition = define(plan)
    except TooManyCopiesError as error:
        others = [one for one in found if (one.step, one.feature) != (error.step, "rejoin")]
        return [*others, _too_many_copies(error.step)], None
    found = [*_copied(found, definition), *_whole(definition)]
    return found, definition


def _too_many_copies(step: str) -> Finding:
    how = (
        f"what follows a choice or a fallback is copied to each of its ends, and this step would "
        f"be there more than {MAX_COPIES} times; put it into the arms where it is needed, or let "
        f"fewer choices and fallbacks come before it"
    )
    return Finding(step, "rejoin", REFUSED, how)


def _copied(found: list[Finding], definition: Definition) -> Iterator[Finding]:
    """Tell of each step that follows a choice or a fallback how often it is there."""
    copies: dict[str, Counter[str]] = {}
    for unit in all_units(definition.units):
        copies.setdefault(unit.node.name, Counter())[unit.label] += 1
    for one in found:
        times = max(copies.get(one.step, {"": 0}).values())
        if one.feature == "rejoin" and times > 1:
            how = f"there {times} times, once for each way that leads to it; one of them runs"
            yield Finding(one.step, one.feature, LOWERED, how)
        else:
            yield one


def _whole(definition: Definition) -> Iterator[Finding]:
    for step in sorted(definition.moved):
        how = "waits for a choice that it does not follow, since a later step follows both"
        yield Finding(step, "order", LOWERED, how)
    arms = [one for unit in definition.units for one in (*unit.then, *unit.otherwise)]
    for step in sorted({one.node.name for one in all_units(arms) if isinstance(one.node, Choice)}):
        how = (
            "a Condition step in a Condition step: the SageMaker SDK makes such, but AWS's guide "
            "calls it unsupported; create the pipeline once before you count on it"
        )
        yield Finding(step, "nested choice", LOWERED, how)
    steps = sum(1 for _ in all_units(definition.units))
    if steps > STEP_QUOTA:
        how = f"{steps} steps; the account's quota must be raised first if it is {STEP_QUOTA}"
        yield Finding("", "number of steps", LOWERED, how)
    size = len(json.dumps(definition.document, indent=2, ensure_ascii=False))
    if size > MAX_CHARACTERS:
        how = (
            f"{size:,} characters of at most {MAX_CHARACTERS:,}; give a map fewer items, or make "
            f"two pipelines of it"
        )
        yield Finding("", "size of the definition", REFUSED, how)
