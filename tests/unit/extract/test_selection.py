from __future__ import annotations

import hashlib

import pytest

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.selection import Selection, Window


def test_the_fingerprint_is_of_the_text():
    query = "select :a as a"
    selections = [Selection("w", query, parameters={"a": n}) for n in (1, 2)]
    assert {selection.query_sha256 for selection in selections} == {
        hashlib.sha256(query.encode()).hexdigest()
    }
    assert Selection("w", table=query).query_sha256 != selections[0].query_sha256


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"query": "select 1", "table": "flights"},
        {"table": "flights", "parameters": {"a": 1}},
    ],
)
def test_bad_fields(fields):
    with pytest.raises(BadQuery, match="warehouse: "):
        Selection("warehouse", **fields)


def test_a_whole_query_stays_as_it_was_written():
    statement = Selection("w", "select 1 -- all;\n;").statement("qmark")
    assert (statement.text, statement.values) == ("select 1 -- all;\n", None)


def test_a_query_is_wrapped_where_it_ends_in_a_comment():
    statement = Selection("w", "select 1 as a -- one").statement("qmark", select="a", where=["a>0"])
    assert statement.text == (
        "select a from (\nselect 1 as a -- one\n) airflow_ml_selection where (a>0)"
    )


def test_a_table_is_quoted_in_the_words_of_the_database():
    table = Selection("w", table='lake.odd"na`me')
    assert table.statement("qmark").text == 'select * from "lake"."odd""na`me"'
    assert table.statement("format", mysql=True).text == 'select * from `lake`.`odd"na``me`'


def test_a_window_is_bound_and_opens_below():
    window = Window("seen at", 3, 7)
    selection = Selection("w", table="t", window=window)
    statement = selection.statement("named")
    assert statement.text == (
        'select * from "t" where ("seen at" <= :airflow_ml_upto) '
        'and ("seen at" > :airflow_ml_after)'
    )
    assert statement.values == {"airflow_ml_upto": 7, "airflow_ml_after": 3}
    first = Selection("w", table="t", window=Window("a", None, 7)).statement("qmark")
    assert (first.text, first.values) == ('select * from "t" where ("a" <= ?)', (7,))


def test_conditions_bring_their_values():
    selection = Selection("w", "select * from t where b = :b", parameters={"b": 2})
    statement = selection.statement("qmark", where=["a = :a"], values={"a": 1})
    assert statement.values == (2, 1)


def test_errors_name_the_connection():
    with pytest.raises(BadQuery, match=r"^warehouse: parameters: the query uses :b"):
        Selection("warehouse", "select :b").statement("qmark")
