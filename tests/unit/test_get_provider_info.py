from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import airflow
import jsonschema
import pytest
from airflow.triggers.base import BaseTrigger

import airflow_ml_provider
from airflow_ml_provider._compat import BaseOperator
from airflow_ml_provider.get_provider_info import get_provider_info

INFO = get_provider_info()
# Modules that hold no operator, sensor or trigger of their own.
INNER = {
    "connection",
    "job_log",
    "job_report",
    "job_request",
    "permanent",
    "run_values",
    "staging",
    "step_job",
    "task_token",
    "watch",
}


def test_it_is_what_airflows_schema_asks_for():
    schema = Path(airflow.__file__).parent / "provider_info.schema.json"
    jsonschema.validate(INFO, json.loads(schema.read_text()))


@pytest.mark.parametrize("folder", ["operators", "sensors", "triggers"])
def test_every_module_is_listed(folder):
    package = f"airflow_ml_provider.{folder}"
    path = Path(airflow_ml_provider.__file__).parent / folder
    there = {one.name for one in pkgutil.iter_modules([str(path)])} - INNER
    (listed,) = INFO[folder]
    assert set(listed["python-modules"]) == {f"{package}.{name}" for name in there}
    for name in listed["python-modules"]:
        module = importlib.import_module(name)
        classes = [one for one in vars(module).values() if isinstance(one, type)]
        assert any(issubclass(one, (BaseOperator, BaseTrigger)) for one in classes)


def test_links_are_there():
    for path in INFO["extra-links"]:
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name).name
