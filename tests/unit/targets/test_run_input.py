from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_ml_provider.pipeline import Parameter, PipelineError
from airflow_ml_provider.plan.nodes import Plan
from airflow_ml_provider.targets.run_input import execution_input, pipeline_parameters

START = datetime(2013, 8, 29, tzinfo=timezone.utc)
END = START + timedelta(days=1)


def plan(*names):
    return Plan(
        name="p",
        root="s3://lake",
        folder=Path(),
        keyed_by="interval",
        parameters=tuple(Parameter(name, 0) for name in names),
        nodes=(),
    )


def test_execution_input_is_in_utc():
    east = START.astimezone(timezone(timedelta(hours=2)))
    found = execution_input(plan("depth"), east, END.replace(tzinfo=None), {"depth": [1, None]})
    assert found == {
        "data_interval_start": "2013-08-29T00:00:00+00:00",
        "data_interval_end": "2013-08-30T00:00:00+00:00",
        "parameters": {"depth": [1, None]},
    }


def test_pipeline_parameters_are_texts_of_what_is_asked_for():
    asked = ("run_key", "run_date", "data_interval_start", "data_interval_end")
    document = {"Parameters": [{"Name": name} for name in asked]}
    given = {"i": 1, "f": 1.5, "b": True, "s": "true", "n": None, "small": 1e-7}
    found = pipeline_parameters(plan(*given), document, START, END, given)
    assert {one["Name"]: one["Value"] for one in found} == {
        "run_key": "20130829T000000",
        "run_date": "2013-08-29",
        "data_interval_start": "2013-08-29T00:00:00+00:00",
        "data_interval_end": "2013-08-30T00:00:00+00:00",
        "i": "1",
        "f": "1.5",
        "b": "true",
        "s": "true",
        "n": "null",
        "small": "1e-07",
    }
    assert pipeline_parameters(plan(), {"Parameters": []}, START, END, {}) == []


def test_unknown_parameters_are_all_named():
    with pytest.raises(PipelineError, match=r"'x': unknown; there are a, b\n.*'y': unknown"):
        execution_input(plan("a", "b"), START, END, {"x": 1, "y": 2})
    with pytest.raises(PipelineError, match="'x': unknown; there are none"):
        pipeline_parameters(plan(), {"Parameters": []}, START, END, {"x": 1})
