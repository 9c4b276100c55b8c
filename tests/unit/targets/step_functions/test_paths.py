from __future__ import annotations

from airflow_ml_provider.targets.step_functions.paths import below, selection


def test_usual_keys_are_dotted_and_others_quoted():
    assert below("$.a", "b", "c-d", "e.f", "it's", "back\\slash") == (
        "$.a.b['c-d']['e.f']['it\\'s']['back\\\\slash']"
    )


def test_a_selection_keeps_the_form():
    assert selection([("a", "b"), ("a", "c-d"), ("e",)], "$.x") == {
        "a": {"b.$": "$.x.a.b", "c-d.$": "$.x.a['c-d']"},
        "e.$": "$.x.e",
    }


def test_what_lies_under_a_selected_path_comes_with_it():
    assert selection([("a", "b"), ("a",), ("a", "b", "c")]) == {"a.$": "$.a"}
