"""The whole definition of a SageMaker pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import Metric, find
from airflow_ml_provider.targets.sagemaker_pipelines.rejoin import without_joins
from airflow_ml_provider.targets.sagemaker_pipelines.steps import Steps
from airflow_ml_provider.targets.sagemaker_pipelines.units import Names, units
from airflow_ml_provider.targets.sagemaker_pipelines.values import RUN_PARAMETERS, references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.pipeline.values import Parameter
    from airflow_ml_provider.plan.nodes import Plan
    from airflow_ml_provider.targets.sagemaker_pipelines.units import Units

VERSION = "2020-12-01"
_TYPES = ((bool, "Boolean"), (int, "Integer"), (float, "Float"))


@dataclass(frozen=True)
class Definition:
    """``document`` is the JSON; ``units`` are its steps.

    ``moved`` names the plan's steps that wait for a choice which they don't follow.
    """

    document: dict[str, Any]
    units: Units
    moved: frozenset[str]


def define(plan: Plan) -> Definition:
    """Give the definition of a plan of which nothing is refused.

    :raises TooManyCopiesError: a step that follows choices or fallbacks would be copied too often.
    """
    names = Names(plan)
    moved: set[str] = set()
    found = without_joins(units(plan, names), names, moved)
    read = {metric.step for metric in find([plan.nodes], (Metric,))}
    steps = Steps(plan, read).block(found)
    named = set(references(steps))
    parameters = [
        *(
            {"Name": name, "Type": "String"}
            for name in RUN_PARAMETERS.values()
            if f"Parameters.{name}" in named
        ),
        *_parameters(plan.parameters),
    ]
    whole = {"Version": VERSION, "Metadata": {}, "Parameters": parameters, "Steps": steps}
    return Definition(whole, found, frozenset(moved))


def _parameters(given: tuple[Parameter, ...]) -> Iterator[dict[str, Any]]:
    for one in given:
        kind = next((name for of, name in _TYPES if isinstance(one.default, of)), "String")
        yield {"Name": one.name, "Type": kind, "DefaultValue": one.default}
