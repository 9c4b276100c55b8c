from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import Dataset, Metric, Output, Parameter, Run, Text
from airflow_ml_provider.pipeline.values import VALUES, Code, Token, find, replace_values


def test_text_keeps_literals_and_values_in_order():
    metric = Metric("evaluate", ("auc",))
    text = Text("AUC {auc} on {day}.", auc=metric, day=Run.DATE)
    assert text.parts == ("AUC ", metric, " on ", Run.DATE, ".")
    assert text == Text.of("AUC ", metric, " on ", Run.DATE, ".")
    assert hash(text) == hash(Text.of("AUC ", metric, " on ", Run.DATE, "."))
    assert "Run.DATE" in repr(text)


def test_text_may_be_values_alone():
    assert Text("{a}{b}", a=Run.ID, b=Run.KEY).parts == (Run.ID, Run.KEY)
    assert Text("").parts == ()


def test_text_names_the_missing_value():
    with pytest.raises(ValueError, match=r"no value for \{auc\}"):
        Text("AUC {auc}")


def test_find_lists_values_at_any_depth():
    output = Output("a", "b")
    nested = {"x": [{"y": (Text.of("p", output),)}], Parameter("k", 1): {Run.KEY}}
    assert find(nested, (Output, Parameter, Run)) == [Parameter("k", 1), output, Run.KEY]
    assert find(nested, VALUES) == [Parameter("k", 1), Text.of("p", output), Run.KEY]


def test_replace_values_copies_json_and_spells_the_rest():
    request = {"a": [Output("s", "o"), 1], "b": {"c": Token()}, "d": (Dataset("x"),), "e": "plain"}
    replaced = replace_values(request, lambda value: type(value).__name__)
    assert replaced == {"a": ["Output", 1], "b": {"c": "Token"}, "d": ["Dataset"], "e": "plain"}


@pytest.mark.parametrize(
    ("condition", "operator"),
    [
        (Metric("s", ("m",)) < 1, "<"),
        (Metric("s", ("m",)) <= 1, "<="),
        (Metric("s", ("m",)) > 1, ">"),
        (Metric("s", ("m",)) >= 1, ">="),
        (Parameter("p", 0) >= Metric("s", ("m",)), ">="),
    ],
)
def test_orders_make_comparisons(condition, operator):
    assert condition.operator == operator


def test_a_chained_comparison_is_refused():
    with pytest.raises(TypeError, match="join conditions with &"):
        0.6 < Metric("s", ("m",)) < 0.9  # noqa: B015


def test_values_are_equal_by_content():
    assert Code(("a.py",), "file") == Code(("a.py",), "file")
    assert Metric("s", ("m",)) == Metric("s", ("m",))
    assert Metric("s", ("m",)) != Metric("s", ("n",))
