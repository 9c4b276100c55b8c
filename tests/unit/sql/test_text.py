from __future__ import annotations

import pytest

from airflow_ml_provider.sql.text import MYSQL, parameter_problem, parameters_in, table_parts


def test_parameters_are_given_as_they_come():
    assert parameters_in("select :b, ':x', :a, :b::int -- :y") == ["b", "a", "b"]
    assert parameters_in("select :a # :b", MYSQL) == ["a"]


@pytest.mark.parametrize(
    ("query", "given", "told"),
    [
        ("select :a", {"a"}, None),
        ("select :a", (), "parameters: the query uses :a, which was not given (given: :run); "),
        ("select 1", {"a"}, "parameters: :a was given, but the query does not use it (given: "),
        (r"select '\\' || ':a', :run", {"a"}, "parameters: :a was given"),
        # By MySQL's rules alone the backslash keeps the text open.
        (r"select '\', :a --'", (), None),
        (r"select '\', :a --'", {"a"}, None),
    ],
)
def test_only_what_is_wrong_in_each_dialect_is_told(query, given, told):
    problem = parameter_problem(query, given, ["run"])
    assert (problem is None) if told is None else problem.startswith(told)


def test_nothing_is_known():
    assert "(given: none)" in parameter_problem("select :a", ())


def test_tables():
    assert table_parts("a.b") == ["a", "b"]
    assert [table_parts(table) for table in ("", "a.", ".b", "a..b")] == [None] * 4
