from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_ml_provider.local.pipelines_run import StepFailure
from airflow_ml_provider.local.pipelines_steps import OUTPUT_CHARS, finish, holds, not_run


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


YES, NO = compare("Equals", 1, 1), compare("Equals", "a", "b")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (YES, True),
        (NO, False),
        (compare("Equals", True, True), True),  # noqa: FBT003 - a value of the definition
        (compare("GreaterThan", 1, 1.0), False),
        (compare("GreaterThanOrEqualTo", 1, 1.0), True),
        (compare("LessThan", "a", "b"), True),
        (compare("LessThanOrEqualTo", 2, 1), False),
        ({"Type": "In", "QueryValue": "a", "Values": ["a", "b"]}, True),
        ({"Type": "Not", "Condition": NO}, True),
        ({"Type": "Or", "Conditions": [NO, YES]}, True),
        ({"Type": "Or", "Conditions": [NO, NO]}, False),
    ],
)
def test_conditions(condition: dict[str, Any], expected: object) -> None:
    assert holds(condition) is expected


@pytest.mark.parametrize(
    "condition",
    [
        compare("LessThan", "1", 2),
        compare("Equals", None, 1),
        compare("Equals", 1, True),  # noqa: FBT003 - a value of the definition
        compare("GreaterThan", True, False),  # noqa: FBT003 - values of the definition
        compare("GreaterThan", math.inf, 1),
        {"Type": "Or", "Conditions": [YES, compare("Equals", [1], [1])]},
    ],
)
def test_values_that_can_not_be_compared(condition: dict[str, Any]) -> None:
    with pytest.raises(StepFailure, match="can't compare"):
        holds(condition)


def a_run(*outputs: tuple[str, str]) -> Any:
    listed = [{"OutputName": name, "OutputType": kind} for name, kind in outputs]
    record = SimpleNamespace(set=lambda **fields: vars(record).update(fields), properties={})
    step = SimpleNamespace(content={"OutputParameters": listed}, type="Robot")
    return SimpleNamespace(record=record, step=step)


def test_outputs() -> None:
    run = a_run(("n", "Integer"), ("t", "String"))
    finish(run, "Lambda", {"Arn": "arn"}, {"n": 6, "t": 6, "more": 1})
    assert run.record.properties == {"OutputParameters": {"n": 6, "t": "6"}}
    listed = [{"Name": "n", "Value": "6"}, {"Name": "t", "Value": "6"}]
    assert run.record.Metadata == {"Lambda": {"Arn": "arn", "OutputParameters": listed}}


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "was not returned"), ({"n": "x"}, "is no Integer"), ({"n": "0" * 1025}, "is longer")],
)
def test_outputs_that_fail_the_step(given: dict[str, Any], words: str) -> None:
    assert OUTPUT_CHARS == 1024
    with pytest.raises(StepFailure, match=words):
        finish(a_run(("n", "Integer")), "Lambda", {}, given)


def test_a_step_that_is_not_run_says_so() -> None:
    with pytest.raises(StepFailure, match=r"runs no Robot steps; it runs .*Processing.*Fail"):
        not_run(a_run(), {})
