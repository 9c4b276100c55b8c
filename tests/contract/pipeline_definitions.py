"""Pipeline definitions as JSON, and how their steps ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Client = Callable[[str], Any]
Make = Callable[..., Json]
FOREVER = "import time; print('up', flush=True); time.sleep(600)"
REPORT = "/opt/ml/processing/output/report"
LAMBDA = """
def answer(event, context):
    if event["n"] < 0:
        raise ValueError("too small")
    return {"double": 2 * event["n"], "text": 6.5, "more": [1]}
"""
TYPES = {"String": str, "Integer": int, "Float": float, "Boolean": bool}


def get(target: str) -> Json:
    return {"Get": target}


def join(*parts: Any) -> Json:
    return {"Std:Join": {"On": "", "Values": list(parts)}}


def report_value(step: str, path: str) -> Json:
    file = get(f"Steps.{step}.PropertyFiles.report")
    return {"Std:JsonGet": {"PropertyFile": file, "Path": path}}


def condition(name: str, of: list[Json], then: list[Json], otherwise: list[Json]) -> Json:
    arguments = {"Conditions": of, "IfSteps": then, "ElseSteps": otherwise}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def at_least(left: Any, right: Any) -> Json:
    return {"Type": "GreaterThanOrEqualTo", "LeftValue": left, "RightValue": right}


def fail(name: str, message: Any, **fields: Any) -> Json:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **fields}


def definition(*steps: Json, **parameters: Any) -> Json:
    kinds = {value: kind for kind, value in TYPES.items()}
    listed = [
        {"Name": name, "Type": kinds[value]}
        if isinstance(value, type)
        else {"Name": name, "Type": kinds[type(value)], "DefaultValue": value}
        for name, value in parameters.items()
    ]
    return {"Version": "2020-12-01", "Metadata": {}, "Parameters": listed, "Steps": list(steps)}


def statuses(found: dict[str, Json]) -> dict[str, str]:
    return {name: step["StepStatus"] for name, step in found.items()}
