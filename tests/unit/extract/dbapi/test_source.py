from __future__ import annotations

import sqlite3

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.arrow_types import parse_type
from airflow_ml_provider.extract.dbapi.source import DbapiSource
from airflow_ml_provider.extract.errors import (
    BadQuery,
    EmptyResult,
    SourceUnavailable,
    TypeMismatch,
    UnknownType,
)
from airflow_ml_provider.extract.selection import Selection


def series(count, expression):
    return (
        f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {count}) "
        f"select {expression} from n"
    )


def memory():
    return sqlite3.connect(":memory:")


def batches_of(query, connect=memory, **fields):
    source = DbapiSource(Selection("warehouse", query, **fields), connect)
    with source.open() as rows:
        (stream,) = rows.streams
        with stream() as batches:
            found = list(batches)
    assert all(batch.schema == rows.schema for batch in found)
    return rows.schema, found


def read(query, connect=memory, **fields):
    schema, batches = batches_of(query, connect, **fields)
    return pa.Table.from_batches(batches, schema)


def test_types_are_inferred_and_nulls_stay_nulls():
    table = read(
        "select 1 as i, 1.5 as f, 'a' as s, x'00' as b union all select null, null, null, null"
    )
    assert table.schema == pa.schema(
        [("i", pa.int64()), ("f", pa.float64()), ("s", pa.string()), ("b", pa.binary())]
    )
    assert table.to_pylist()[1] == {"i": None, "f": None, "s": None, "b": None}


def test_rows_come_in_order_over_many_batches():
    _, batches = batches_of(series(40_000, "i"))
    assert [batch.num_rows for batch in batches] == [1_024, 16_384, 16_384, 6_208]
    assert pa.Table.from_batches(batches)["i"].to_pylist() == list(range(1, 40_001))


def test_wide_rows_come_in_small_batches():
    _, batches = batches_of(series(1_200, "zeroblob(100000) b"))
    assert sum(batch.num_rows for batch in batches) == 1_200
    assert max(batch.nbytes for batch in batches) <= 13 << 20


def test_rows_that_grow_wide_come_in_small_batches():
    _, batches = batches_of(series(4_000, "zeroblob(case when i < 2000 then 1 else 100000 end) b"))
    assert sum(batch.num_rows for batch in batches) == 4_000
    assert max(batch.nbytes for batch in batches) <= 21 << 20


def test_parameters_are_bound():
    table = read("select :a as a, ':b' as b", parameters={"a": "'x"}, defaults={"unused": 1})
    assert table.to_pylist() == [{"a": "'x", "b": ":b"}]


def test_table(sqlite):
    connect = sqlite('create table "odd ""name" (a int); insert into "odd ""name" values (7)')
    assert read(None, connect, table='odd "name').to_pylist() == [{"a": 7}]


def test_given_types_win():
    table = read(
        "select 1 as b, '2013-01-01' as d, null as n",
        columns={"b": "bool", "d": "date32", "n": "decimal128(5, 2)"},
    )
    assert table.schema.types == [pa.bool_(), pa.date32(), pa.decimal128(5, 2)]


def test_a_late_first_value_is_waited_for():
    table = read(series(20_000, "case when i = 19000 then 'a' end as late, i"))
    assert table["late"].null_count == 19_999


def test_all_unknown_types_are_named():
    with pytest.raises(UnknownType) as error:
        read(
            series(2, "null as a, case i when 1 then 1 else 1.5 end as b, 1 as c"),
            columns={"c": "integer", "d": "int64"},
        )
    message = str(error.value)
    assert "a is NULL in the first 2 rows" in message
    assert "b holds values of several types: float, int" in message
    assert "c: 'integer' is not one of bool, int8" in message
    assert "d is not in the result (a, b, c)" in message
    assert not error.value.retryable


def test_no_rows():
    empty = read("select 1 as a where 0", columns={"a": "int64"})
    assert (empty.num_rows, empty.schema.types) == (0, [pa.int64()])
    with pytest.raises(EmptyResult) as error:
        read("select 1 as a, 2 as b, 3 as c where 0", columns={"b": "int64"})
    assert str(error.value).startswith(
        "warehouse: there are no rows, which alone would tell the types of a, c; "
        "mend: give them, as in columns={'a': 'int64'}; a step with a history also takes"
    )


def test_no_rows_are_no_excuse_for_wrong_types():
    with pytest.raises(UnknownType) as error:
        read("select 1 as a where 0", columns={"b": "int64"})
    assert not isinstance(error.value, EmptyResult)
    assert "a has no rows" in str(error.value)


@pytest.mark.parametrize(
    "query",
    ["select 1 as a, 2 as b, 3 as c where 0", series(2, "null as a, null as b, null as c")],
)
def test_what_rows_do_not_tell_is_as_it_was_published(query):
    names = {"a": "date32", "b": "decimal128(5, 2)", "gone": "bool"}
    published = pa.schema([(name, parse_type(text)) for name, text in names.items()])
    table = read(query, columns={"a": "int16", "c": "string"}, published=lambda: published)
    assert table.schema.names == ["a", "b", "c"]
    assert table.schema.types == [pa.int16(), pa.decimal128(5, 2), pa.string()]
    with pytest.raises(UnknownType, match=r"\bc\b") as error:
        read(query, columns={"a": "int16"}, published=lambda: published)
    assert "types of a" not in str(error.value)


def test_what_rows_tell_is_not_as_it_was_published():
    table = read("select 1 as a", published=lambda: pytest.fail("nobody asks for it"))
    assert table.schema.types == [pa.int64()]


def test_a_value_that_does_not_fit_is_named():
    with pytest.raises(TypeMismatch) as error:
        read(series(5_000, "case i when 3000 then 1.5 else i end as amount"))
    assert str(error.value).startswith(
        "warehouse: column amount, row 3000, 1.5 (float) does not fit int64: "
    )


def test_values_that_fit_only_one_by_one_are_refused():
    with pytest.raises(TypeMismatch, match="column a, rows 1 to 2 does not fit int64"):
        read(series(2, "case i when 1 then 1 else '2' end as a"), columns={"a": "int64"})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select * from nope", "no such table"),
        ("select 1 as a, 2 as a", "columns occur twice in the result: a"),
        ("create table t (a int)", "give a select"),
        ("select :a", "warehouse: parameters: the query uses :a"),
    ],
)
def test_bad_queries(query, message):
    with pytest.raises(BadQuery, match=message):
        read(query)


def test_no_connection():
    def connect():
        raise ConnectionRefusedError

    with pytest.raises(SourceUnavailable):
        read("select 1", connect)
    with pytest.raises(BadQuery, match="no DB-API connection"):
        read("select 1", object)


def test_the_connection_is_closed_without_a_commit(sqlite, tmp_path):
    connect = sqlite("create table t (a int)")
    opened = []

    def remember():
        opened.append(sqlite3.connect(tmp_path / "warehouse.db", check_same_thread=False))
        return opened[0]

    with pytest.raises(BadQuery):
        read("insert into t values (1)", remember)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("select 1")
    assert read("select count(*) as n from t", connect).to_pylist() == [{"n": 0}]
