from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_ml_provider.local.pipelines_definition import MAX_PROBLEMS, read_definition
from airflow_ml_provider.local.pipelines_order import Arm, Need
from airflow_ml_provider.local.protocol import AwsError

Json = dict[str, Any]
SDK = Path(__file__).parents[2] / "golden" / "sagemaker_sdk"


def read(*steps: Any, **fields: Any) -> Any:
    content = {"Version": "2020-12-01", "Steps": list(steps), **fields}
    return read_definition(json.dumps(content))


def step(name: str, kind: str = "Training", **fields: Any) -> Json:
    return {"Name": name, "Type": kind, "Arguments": {"RoleArn": "r"}, **fields}


def gate(*conditions: Any, then: Any = (), otherwise: Any = ()) -> Json:
    arguments = {"Conditions": list(conditions), "IfSteps": then, "ElseSteps": otherwise}
    return {"Name": "gate", "Type": "Condition", "Arguments": arguments}


def equals(left: Any) -> Json:
    return {"Type": "Equals", "LeftValue": left, "RightValue": 1}


def json_get(step: str, file: str) -> Json:
    target = {"Get": f"Steps.{step}.PropertyFiles.{file}"}
    return {"Std:JsonGet": {"PropertyFile": target, "Path": "x"}}


def processing(**fields: Any) -> Json:
    outputs = {"Outputs": [{"OutputName": "out"}]}
    return step("work", "Processing", Arguments={"ProcessingOutputConfig": outputs}, **fields)


REPORT = {"PropertyFileName": "report", "OutputName": "out", "FilePath": "r.json"}


def test_order_comes_from_names_and_references() -> None:
    inner = step("inner", Arguments={"ModelName": {"Get": "Steps.model.ModelName"}})
    nested = {**gate(equals(2), then=[inner]), "Name": "nested"}
    definition = read(
        step("model", "Model"),
        processing(PropertyFiles=[REPORT]),
        gate(equals(json_get("work", "report")), then=[nested], otherwise=[step("other")]),
        step("late", DependsOn=["model", {"Step": "work", "Trigger": "Failed"}]),
        Parameters=[{"Name": "p", "Type": "Integer", "DefaultValue": 1}],
    )
    places = {place.name: place for place in definition.places}
    assert places["gate"].needs == (Need("work"),)
    assert places["nested"].arm == Arm("gate", "True")
    assert places["other"].arm == Arm("gate", "False")
    assert places["inner"] == ("inner", (Need("model"),), Arm("nested", "True"))
    assert places["late"].needs == (Need("model"), Need("work", "Failed"))


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "at least one step"),
        (["x"], "must be an object"),
        ([step("a"), step("a")], "'a' is used twice"),
        ([step("a b")], "'a b'"),
        ([step("a", "Robot")], "'Robot'"),
        ([{"Name": "a", "Type": "Lambda"}], "needs FunctionArn"),
        ([{"Name": "a", "Type": "Callback"}], "needs SqsQueueUrl"),
        ([step("a", Arguments=["x"])], "must be an object"),
        ([step("a", DependsOn="b")], "must be a list"),
        ([step("a", DependsOn=["b"])], "'b', which the definition doesn't have"),
        ([step("a", DependsOn=[{"Step": "a", "Trigger": "Late"}])], "'Late'"),
        ([step("a", DependsOn=["a"])], "cycle: a -> a"),
        ([step("a", Arguments={"x": {"Get": "Parameters.q"}})], "'q'"),
        ([step("a", Arguments={"x": {"Get": "Execution.Colour"}})], "Colour"),
        ([step("a", Arguments={"x": {"Get": "Steps.b"}})], "Steps.b"),
        ([step("a", Arguments={"x": {"Get": "Elsewhere.b"}})], "Elsewhere.b"),
        ([step("a", Arguments={"x": {"Std:Join": {"On": ""}}})], "without a list of Values"),
        ([step("a", Arguments={"x": {"Std:Join": "y"}})], "malformed"),
        ([step("a"), gate(equals({"Std:JsonGet": {"PropertyFile": 1, "Path": "x"}}))], "without"),
        ([processing(PropertyFiles=["x"]), gate(equals(json_get("work", "r")))], "malformed"),
        ([gate()], "at least one condition"),
        ([gate({"Type": "Like"})], "'Like'"),
        ([gate({"Type": "Equals", "LeftValue": 1})], "needs RightValue"),
        ([gate({"Type": "Not", "Condition": {"Type": "Odd"}})], "'Odd'"),
        ([gate({"Type": "Or", "Conditions": [{"Type": "Even"}]})], "'Even'"),
        ([gate(equals(1)), step("a", Arguments={"x": {"Get": "Steps.gate.x"}})], "no properties"),
        ([gate(equals({"Std:JsonGet": {"Path": "x"}}))], "without PropertyFile"),
        ([processing(), gate(equals(json_get("work", "report")))], "doesn't declare"),
        ([step("a"), gate(equals(json_get("a", "report")))], "doesn't declare"),
        (
            [
                processing(PropertyFiles=[{**REPORT, "OutputName": "no"}]),
                gate(equals(json_get("work", "report"))),
            ],
            "'no'",
        ),
        (
            [
                step("f", "Lambda", FunctionArn="arn"),
                step("a", Arguments={"x": {"Get": "Steps.f.OutputParameters['o']"}}),
            ],
            "the output 'o'",
        ),
        ([step("a", RetryPolicies=[{"MaxAttempts": 1}])], "ExceptionType"),
        ([step("a", CacheConfig={"Enabled": True, "ExpireAfter": "x"})], "not a duration"),
    ],
)
def test_what_is_refused(steps: list[Any], words: str) -> None:
    with pytest.raises(AwsError) as error:
        read(*steps)
    assert error.value.code == "ValidationException"
    assert words in error.value.message


@pytest.mark.parametrize("text", ["{", "[]", '{"Version": "1"}'])
def test_no_definition_at_all(text: str) -> None:
    with pytest.raises(AwsError, match="Unable to parse pipeline definition"):
        read_definition(text)


def test_problems_are_bounded() -> None:
    with pytest.raises(AwsError) as error:
        read(*[step("a", "Robot") for _ in range(MAX_PROBLEMS + 5)])
    assert error.value.message.endswith("and 5 more")


def test_malformed_parameters() -> None:
    with pytest.raises(AwsError, match=r"malformed.*unknown type 'Date'"):
        read(step("a"), Parameters=[{"Type": "String"}, {"Name": "d", "Type": "Date"}])


@pytest.mark.parametrize("path", sorted(SDK.glob("*.json")), ids=lambda path: path.name)
def test_what_the_sagemaker_sdk_makes_is_taken(path: Path) -> None:
    assert read_definition(path.read_text()).steps
