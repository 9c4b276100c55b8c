"""Conditions, which have no And below the top, and no Not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Comparison, Not
from airflow_ml_provider.pipeline.values import Parameter
from airflow_ml_provider.targets.sagemaker_pipelines.conditions import conditions, count

A, B, C = (Parameter(name, 0) for name in "abc")


def get(side):
    return {"Get": f"Parameters.{side.name}"} if isinstance(side, Parameter) else side


def compared(kind, name, right):
    return {"Type": kind, "LeftValue": {"Get": f"Parameters.{name}"}, "RightValue": right}


@pytest.mark.parametrize(
    ("operator", "kind", "opposite"),
    [
        ("<", "LessThan", "GreaterThanOrEqualTo"),
        ("<=", "LessThanOrEqualTo", "GreaterThan"),
        (">", "GreaterThan", "LessThanOrEqualTo"),
        (">=", "GreaterThanOrEqualTo", "LessThan"),
    ],
)
def test_comparison(operator, kind, opposite):
    one = Comparison(operator, A, 1)
    assert conditions(one, get) == [compared(kind, "a", 1)]
    assert conditions(~one, get) == [compared(opposite, "a", 1)]
    assert conditions(~~one, get) == [compared(kind, "a", 1)]


def test_and_is_the_list_itself():
    a, b = compared("GreaterThan", "a", 1), compared("GreaterThan", "b", 2)
    assert conditions((A > 1) & (B > 2), get) == [a, b]
    nested = AllOf((A > 1, AllOf((B > 2,))))
    assert conditions(nested, get) == [a, b]
    assert conditions(~((A <= 1) | (B <= 2)), get) == [a, b]


def test_and_below_or():
    made = conditions((A > 1) | ((B > 2) & (C > 3)), get)
    assert made == [
        {
            "Type": "Or",
            "Conditions": [compared("GreaterThan", "a", 1), compared("GreaterThan", name, number)],
        }
        for name, number in (("b", 2), ("c", 3))
    ]


comparisons = st.builds(
    Comparison,
    st.sampled_from(("<", "<=", ">", ">=")),
    st.sampled_from((A, B, C)),
    st.integers(0, 2),
)
drawn = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda some: AllOf(tuple(some))),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: AnyOf(tuple(some))),
        inner.map(Not),
    ),
    max_leaves=8,
)


def true(condition, values):
    if isinstance(condition, AllOf):
        return all(true(one, values) for one in condition.conditions)
    if isinstance(condition, AnyOf):
        return any(true(one, values) for one in condition.conditions)
    if isinstance(condition, Not):
        return not true(condition.condition, values)
    kind = {"<": "LessThan", ">": "GreaterThan"}[condition.operator[0]]
    kind += "OrEqualTo" * (len(condition.operator) == 2)
    return holds(compared(kind, condition.left.name, condition.right), values)


def holds(made, values):
    if made["Type"] == "Or":
        # The published schema has comparisons there, and nothing else.
        assert all(one["Type"] != "Or" for one in made["Conditions"])
        return any(holds(one, values) for one in made["Conditions"])
    left = values[made["LeftValue"]["Get"].removeprefix("Parameters.")]
    right = made["RightValue"]
    return (
        ("Less" in made["Type"] and left < right)
        or ("Greater" in made["Type"] and left > right)
        or ("Equal" in made["Type"] and left == right)
    )


@given(drawn, st.fixed_dictionaries({name: st.integers(0, 2) for name in "abc"}))
def test_conditions_mean_the_same(condition, values):
    made = conditions(condition, get)
    assert all(holds(one, values) for one in made) == true(condition, values)
    assert len(made) <= count(condition)
