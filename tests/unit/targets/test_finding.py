from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import PipelineError
from airflow_ml_provider.targets.finding import (
    KEPT,
    LOWERED,
    REFUSED,
    Finding,
    grouped,
    named,
    refusals,
    refuse,
)

FINDINGS = [
    Finding("a", "retry", LOWERED, "less"),
    Finding("a", "cache"),
    Finding("b", "retry", LOWERED, "less"),
    Finding("c", "retry", REFUSED, "give none"),
    Finding("", "size", REFUSED, "make it smaller"),
]


def test_refusals_name_step_feature_target_and_way_out():
    assert refusals("airflow", FINDINGS) == [
        "step 'c': retry: not on airflow: give none",
        "size: not on airflow: make it smaller",
    ]


def test_all_are_raised_at_once():
    with pytest.raises(PipelineError, match=r"pipeline 'p': 2 problems") as caught:
        refuse("p", "airflow", FINDINGS)
    assert list(caught.value.problems) == refusals("airflow", FINDINGS)
    refuse("p", "airflow", FINDINGS[:3])


def test_equal_findings_are_one_with_their_steps():
    assert grouped(FINDINGS) == {
        Finding("", "retry", LOWERED, "less"): ["a", "b"],
        Finding("", "cache", KEPT): ["a"],
        Finding("", "retry", REFUSED, "give none"): ["c"],
        Finding("", "size", REFUSED, "make it smaller"): [""],
    }


def test_many_steps_are_counted():
    steps = [f"s{number}" for number in range(14)]
    assert named(steps[:12]) == "s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11"
    assert named(steps) == f"{named(steps[:12])} and 2 more"
