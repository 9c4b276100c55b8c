from __future__ import annotations

import pytest

from airflow_ml_provider.jobs.difference import differing


@pytest.mark.parametrize(
    ("asked", "found", "names"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, ()),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3, "d": 4}]}}, ("a.b[1].c",)),
        ({"a": [1]}, {"a": [1, 2]}, ("a",)),
        ({"b": 1, "a": 2}, {}, ("a", "b")),
        ({"a": {}, "b": [], "c": None}, {}, ()),
        ({"a": {"b": 1}}, {"a": "x"}, ("a",)),
    ],
)
def test_names_what_was_asked_for_and_is_otherwise(asked, found, names):
    assert differing(asked, found) == names
