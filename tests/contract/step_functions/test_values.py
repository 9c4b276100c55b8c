"""Paths and intrinsic functions."""

from __future__ import annotations

from state_machines import Run, machine, output


def test_intrinsic_functions(run: Run) -> None:
    parameters = {
        "format.$": "States.Format('{}-{}', $.name, $.n)",
        "hash.$": "States.Hash($.name, 'MD5')",
        "merge.$": "States.JsonMerge($.defaults, $.given, false)",
        "split.$": "States.StringSplit($.at, ':+-')",
        "item.$": "States.ArrayGetItem(States.StringSplit($.at, 'T.'), 0)",
        "text.$": "States.JsonToString($.given)",
        "started.$": "States.Format('{}', $$.Execution.StartTime)",
        "none.$": "$.given['is-null']",
        "array.$": "States.Array($.n, 'x', States.ArrayLength($.list))",
        "first.$": "$.list[0].a",
        "all.$": "$.list[*].a",
        "missing.$": "$.list[*].b",
        "escaped.$": r"States.Format('it\'s \{{}\} \\ é', $.n)",
        "template.$": "States.Format($.template, $.n)",
    }
    given = {
        "name": "train",
        "template": "{x} {}",
        "n": 5,
        "at": "2013-08-29T01:02:03+00:00",
        "defaults": {"a": 1, "b": {"x": 1}},
        "given": {"b": 2, "is-null": None},
        "list": [{"a": 1}, {"a": [2]}],
    }
    answer = output(run(machine(all={"Type": "Pass", "Parameters": parameters}), given))
    started = answer.pop("started")
    assert started.endswith("Z")
    assert started[10] == "T"
    assert answer == {
        "format": "train-5",
        "hash": "61b3a8faa9c1091806675c230a9abe64",
        "merge": {"a": 1, "b": 2, "is-null": None},
        "split": ["2013", "08", "29T01", "02", "03", "00", "00"],
        "item": "2013-08-29",
        "text": '{"b":2,"is-null":null}',
        "none": None,
        "array": [5, "x", 2],
        "first": 1,
        "all": [1, [2]],
        "missing": [],
        "escaped": "it's {5} \\ é",
        "template": "{x} 5",
    }
