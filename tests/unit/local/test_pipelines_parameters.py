from __future__ import annotations

from typing import Any

import pytest

from airflow_ml_provider.local.pipelines_parameters import parameter, values


def made(**content: Any) -> Any:
    return parameter({"Name": "p", **content})


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("String", "6", "6"),
        ("Integer", "6", 6),
        ("Float", "6", 6.0),
        ("Boolean", "True", True),
        ("Boolean", "false", False),
    ],
)
def test_texts_become_values(kind: str, text: str, expected: object) -> None:
    value = made(Type=kind).read(text)
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "text"), [("Integer", "6.5"), ("Float", "high"), ("Boolean", "1")]
)
def test_texts_of_another_type(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' to parameter 'p' of type {kind}"):
        made(Type=kind).read(text)


@pytest.mark.parametrize(
    "content",
    [
        {"Type": "Date"},
        {"Type": "Integer", "DefaultValue": "6"},
        {"Type": "Integer", "DefaultValue": True},
        {"Type": "String", "DefaultValue": "c", "EnumValues": ["a", "b"]},
        {"Type": "String", "EnumValues": [1]},
    ],
)
def test_definitions_that_are_refused(content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="parameter 'p'"):
        made(**content)


def test_all_problems_of_what_is_given() -> None:
    known = [
        made(Type="Integer", DefaultValue=6),
        parameter({"Name": "day", "Type": "String"}),
        parameter({"Name": "size", "Type": "String", "EnumValues": ["s", "m"]}),
    ]
    assert values(known, {"day": "1", "size": "m"}) == ({"p": 6, "day": "1", "size": "m"}, [])
    _, problems = values(known, {"p": "x", "size": "l", "other": "1"})
    assert len(problems) == 4
    for problem, word in zip(problems, ("other", "'x'", "'l'", "day"), strict=True):
        assert word in problem
