from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import AllOf, AnyOf, Comparison, Metric, Not

A = Metric("s", ("a",)) > 1
B = Metric("s", ("b",)) < 2


def test_operators_join_conditions():
    assert AllOf((A, B)) == (A & B)
    assert AnyOf((A, B)) == (A | B)
    assert Not(A) == ~A
    assert Comparison(">", Metric("s", ("a",)), 1) == A


@pytest.mark.parametrize("use", [lambda: A and B, lambda: A or B, lambda: not A, lambda: bool(A)])
def test_python_s_own_words_are_refused(use):
    with pytest.raises(TypeError, match=r"&, \| and ~"):
        use()
