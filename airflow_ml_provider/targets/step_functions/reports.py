"""The report of a step, read from S3 right after the job that left it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.values import Output
from airflow_ml_provider.targets.step_functions import paths, retries
from airflow_ml_provider.targets.step_functions.conditions import number
from airflow_ml_provider.targets.step_functions.values import Speller

if TYPE_CHECKING:
    from airflow_ml_provider.plan.nodes import Job
    from airflow_ml_provider.targets.step_functions.facts import Facts
    from airflow_ml_provider.targets.step_functions.states import States

_READ_SECONDS = 300


def read(node: Job, following: str, fallback: str | None, states: States, facts: Facts) -> str:
    """Add the states that keep the metrics of a step that others refer to, and nothing else.

    A metric that is missing is no failure of this step but of those that need it; then the report
    is kept as it is. One that is missing altogether, or is no JSON, fails this step.
    """
    assert node.report is not None  # noqa: S101 - the pipeline is checked: its metrics are asked
    speller = Speller(facts, node.name)
    kept = facts.path(node.name, paths.REPORT)
    whole = paths.below(kept, paths.REPORT)
    metrics = sorted(facts.metrics[node.name])
    chosen = states.add(
        f"{node.name}: metrics",
        {
            "Type": "Pass",
            "Parameters": paths.selection(metrics, whole),
            "ResultPath": kept,
            "Next": following,
        },
    )
    all_kept = states.add(
        f"{node.name}: whole report",
        {"Type": "Pass", "InputPath": whole, "ResultPath": kept, "Next": following},
    )
    there = [number(paths.below(whole, *path)) for path in metrics]
    asked = states.add(
        f"{node.name}: metrics there",
        {
            "Type": "Choice",
            "Choices": [{"And": there, "Next": chosen}],
            "Default": all_kept,
        },
    )
    place = node.outputs.get(node.report.output, Output(node.name, node.report.output))
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Parameters": speller.s3_object(place, node.report.file),
        "TimeoutSeconds": _READ_SECONDS,
        "Retry": retries.transient(retries.sdk_errors("S3")),
        **states.catch(fallback),
        "ResultSelector": {f"{paths.REPORT}.$": "States.StringToJson($.Body)"},
        "ResultPath": kept,
        "Next": asked,
    }
    return states.add(f"{node.name}: read report", state)
