"""What a run of a deployed pipeline is started with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.values import interval_key, iso_utc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_ml_provider.plan.nodes import Plan


def execution_input(
    plan: Plan, start: datetime, end: datetime, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the input of a state machine's execution for the data interval [start, end).

    :raises PipelineError: the pipeline has no such parameter.
    """
    _check(plan, parameters)
    return {
        "data_interval_start": iso_utc(start),
        "data_interval_end": iso_utc(end),
        "parameters": dict(parameters),
    }


def pipeline_parameters(
    plan: Plan,
    document: Mapping[str, Any],
    start: datetime,
    end: datetime,
    parameters: Mapping[str, Any],
) -> list[dict[str, str]]:
    """Give ``PipelineParameters`` of ``StartPipelineExecution`` for the data interval [start, end).

    ``document`` is the compiled pipeline: it tells which values of the run are asked for.

    :raises PipelineError: the pipeline has no such parameter.
    """
    _check(plan, parameters)
    run = {
        "run_key": interval_key(start),
        "run_date": iso_utc(start)[:10],
        "data_interval_start": iso_utc(start),
        "data_interval_end": iso_utc(end),
    }
    asked = {one["Name"] for one in document["Parameters"]}
    given = {name: value for name, value in run.items() if name in asked} | dict(parameters)
    return [{"Name": name, "Value": _text(value)} for name, value in given.items()]


def _check(plan: Plan, parameters: Mapping[str, Any]) -> None:
    known = [one.name for one in plan.parameters]
    problems = [
        f"parameter {name!r}: unknown; there are {', '.join(known) or 'none'}"
        for name in parameters
        if name not in known
    ]
    if problems:
        raise PipelineError(f"pipeline {plan.name!r}", problems)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
