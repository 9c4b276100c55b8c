from __future__ import annotations

import pytest

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.statement import bind, table_name, trimmed


@pytest.mark.parametrize(
    ("paramstyle", "text", "values"),
    [
        ("qmark", "x = ? and y = ? and z = ? and w like 'a%'", (1, "b", 1)),
        ("numeric", "x = :1 and y = :2 and z = :1 and w like 'a%'", (1, "b")),
        ("named", "x = :a and y = :b and z = :a and w like 'a%'", {"a": 1, "b": "b"}),
        ("format", "x = %s and y = %s and z = %s and w like 'a%%'", (1, "b", 1)),
        (
            "pyformat",
            "x = %(a)s and y = %(b)s and z = %(a)s and w like 'a%%'",
            {"a": 1, "b": "b"},
        ),
    ],
)
def test_every_paramstyle(paramstyle, text, values):
    query = "x = :a and y = :b and z = :a and w like 'a%'"
    statement = bind(query, {"a": 1, "b": "b"}, paramstyle)
    assert statement.text == text
    assert statement.values == values


@pytest.mark.parametrize(
    "trap",
    [
        "':a'",
        "'it''s :a'",
        "'12:30:00'",
        '":a"',
        '"say "":a"""',
        "`:a`",
        r"E'\':a'",
        r"e'it''s \' :a'",
        r"'\', ",  # a backslash is a character in standard SQL
        "$$ :a $$",
        "$tag$ ':a $$ $tag$",
        "-- :a\n",
        "-- it's :a\n",
        "/* :a \n ' */",
        "x::int",
        "x :: a",
        "xs[1:a]",
        "xs[f(1):a]",
        "xs[ys[1]:a]",
        'doc:a."b":c',
        "named => 1, b := 2",
        "x ? y",
    ],
)
def test_what_is_no_parameter(trap):
    closing = "'" if trap == r"'\', " else ""
    query = f"select {trap}{closing}, :b"
    statement = bind(query, {"b": 1}, "qmark")
    assert statement.text == f"select {trap}{closing}, ?"


@pytest.mark.parametrize(
    "trap", [r"'it\'s :a'", r'"\":a"', "# :a\n", "-- :a\n", "5--'", "/* :a */", "`:a`", "@x:=1"]
)
def test_what_is_no_parameter_in_mysql(trap):
    closing = "'" if trap == "5--'" else ""
    statement = bind(f"select {trap}{closing}, :b", {"b": 1}, "pyformat", mysql=True)
    assert statement.text == f"select {trap}{closing}, %(b)s"


def test_text_without_parameters_is_left_alone():
    statement = bind("select 5 % 3, 'a%'", {}, "pyformat", defaults={"run_date": "2013-01-01"})
    assert statement.text == "select 5 % 3, 'a%'"
    assert statement.values is None


def test_percent_is_doubled_only_where_the_driver_reads_it():
    assert bind("5 % :a", {"a": 3}, "pyformat").text == "5 %% %(a)s"
    assert bind("5 % :a", {"a": 3}, "pyformat", escape_percent=False).text == "5 % %(a)s"
    assert bind("5 % :a", {"a": 3}, "qmark").text == "5 % ?"


def test_values_are_never_text():
    statement = bind("x = :a", {"a": "'; drop table t; -- :a"}, "qmark")
    assert statement.text == "x = ?"


def test_defaults_may_be_unused_and_give_way():
    statement = bind("x = :a", {"a": 1}, "named", defaults={"a": 2, "b": 3})
    assert statement.values == {"a": 1}


def test_all_wrong_parameters_are_named():
    with pytest.raises(BadQuery) as error:
        bind("x = :b and y = :a and z = :given", {"given": 1, "more": 2, "less": 3}, "qmark")
    assert str(error.value) == (
        "parameters: the query uses :a, :b, which was not given; "
        ":less, :more was given, but the query does not use it (given: :given, :less, :more); "
        "mend: the same names in the query and in parameters"
    )


@pytest.mark.parametrize(
    ("table", "mysql", "text"),
    [
        ("flights", False, '"flights"'),
        ("public.Flights", False, '"public"."Flights"'),
        ('a"; drop table b', False, '"a""; drop table b"'),
        ("wh.a`b", True, "`wh`.`a``b`"),
    ],
)
def test_table_names_are_quoted(table, mysql, text):
    assert table_name(table, mysql=mysql) == text


def test_empty_table_name():
    with pytest.raises(BadQuery, match=r"'a\.\.b'"):
        table_name("a..b")


@pytest.mark.parametrize("end", [";", ";;", "; ;\n", ";\n-- done; really\n", "; /* ; */ ;"])
@pytest.mark.parametrize("before", ["", " ", " -- a;\n"])
def test_semicolons_at_the_end_are_cut_off(before, end):
    for query in ("select 1", "select ';' -- a\n, '--;'", "select $$;$$", 'select ";"'):
        assert trimmed(query + before + end) == query + before


def test_comments_at_the_end_stay():
    assert trimmed("select 1 -- a;") == "select 1 -- a;"


def test_comments_of_mysql_are_cut_off():
    assert trimmed("select '#'; # done", mysql=True) == "select '#'"
    assert trimmed("select a; # b", mysql=False) == "select a; # b"
