from __future__ import annotations

from typing import Any

import pytest

from airflow_ml_provider.local.pipelines_values import (
    Sources,
    ValueUnknownError,
    at_path,
    read_json,
    references,
    resolve,
    step_reference,
)

REPORT = {"auc": {"value": 0.7}, "f1-score": [1, 2], "a.b": {"it's": True}}
JOB = {
    "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
    "Outputs": [{"OutputName": "x", "S3Uri": "1"}, {"OutputName": "y", "S3Uri": "2"}],
}


def found(mapping: dict[str, Any], key: str) -> Any:
    if key not in mapping:
        raise ValueUnknownError(key)
    return mapping[key]


SOURCES = Sources(
    parameter=lambda name: found({"depth": 6, "rate": 0.5, "on": True}, name),
    execution=lambda name: found({"PipelineExecutionId": "abc"}, name),
    step=lambda name: found({"train": JOB}, name),
    property_file=lambda step, file: found({"judge.report": REPORT}, f"{step}.{file}"),
    s3_file=lambda uri: found({"s3://b/abc/r.json": REPORT}, uri),
)


def json_get(path: str) -> dict[str, Any]:
    file = {"Get": "Steps.judge.PropertyFiles.report"}
    return {"Std:JsonGet": {"PropertyFile": file, "Path": path}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Get": "Parameters.depth"}, 6),
        ({"Get": "Execution.PipelineExecutionId"}, "abc"),
        ({"Get": "Steps.train.ModelArtifacts.S3ModelArtifacts"}, "s3://b/m"),
        ({"Get": "Steps.train.Outputs['y'].S3Uri"}, "2"),
        ({"Get": "Steps.train.Outputs[0].S3Uri"}, "1"),
        (json_get("auc.value"), 0.7),
        (json_get("['f1-score'][1]"), 2),
        (json_get("$['a.b'][\"it's\"]"), True),
        (
            {
                "Std:Join": {
                    "On": "/",
                    "Values": ["s3:/", {"Get": "Parameters.rate"}, {"Get": "Parameters.on"}, 3],
                }
            },
            "s3://0.5/true/3",
        ),
        (
            {
                "Std:JsonGet": {
                    "S3Uri": {
                        "Std:Join": {
                            "Values": [
                                "s3://b/",
                                {"Get": "Execution.PipelineExecutionId"},
                                "/r.json",
                            ]
                        }
                    },
                    "Path": "auc.value",
                }
            },
            0.7,
        ),
        ([{"a": {"Get": "Parameters.depth"}}, None], [{"a": 6}, None]),
        ({"Get": "Parameters.depth", "other": 1}, {"Get": "Parameters.depth", "other": 1}),
    ],
)
def test_values(value: Any, expected: Any) -> None:
    assert resolve(value, SOURCES) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"Get": "Parameters.none"},
        {"Get": "Steps.absent.x"},
        {"Get": "Steps.train.Outputs['z'].S3Uri"},
        {"Get": "Steps.train.Outputs[7]"},
        {"Get": "Steps.train.ModelArtifacts.Other"},
        {"Get": "Elsewhere.x"},
        json_get("auc.value.deeper"),
        json_get("auc..value"),
        {"Std:JsonGet": {"PropertyFile": "report", "Path": "a"}},
        {"Std:Join": {"On": "", "Values": [{"Get": "Steps.train.Outputs"}]}},
    ],
)
def test_values_that_are_not_there(value: Any) -> None:
    with pytest.raises(ValueUnknownError):
        resolve(value, SOURCES)


def test_references_at_any_depth() -> None:
    value = [json_get("x"), {"a": {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.p"}]}}}]
    assert list(references(value)) == ["Steps.judge.PropertyFiles.report", "Parameters.p"]
    assert step_reference("Steps.judge-2.PropertyFiles.report") == (
        "judge-2",
        "PropertyFiles.report",
    )
    assert step_reference("Parameters.p") is None


@pytest.mark.parametrize("text", ["{", '{"auc": NaN}', "[Infinity]"])
def test_json_is_strict(text: str) -> None:
    with pytest.raises(ValueUnknownError):
        read_json(text)


def test_a_missing_path_names_its_document() -> None:
    with pytest.raises(ValueUnknownError, match=r"the report has nothing at 'a\.b'"):
        at_path({"a": {}}, "a.b", "the report")
