from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.selection import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    Run = Callable[..., list[tuple[Any, ...]]]
    Extract = Callable[..., pa.Table]

NAMES = [
    "MixedCase",
    "two words",
    'it"s "quoted"',
    "it's",
    "naïve Größe 列 🛫",
    "100 % %s %(name)s",
    ":name ::text ?",
    "$1 {0} \\x",
    "line\nbreak\ttab",
    "select",
    "-- no comment /* at all",
    "a;drop table b",
    "airflow_ml_selection",
    "x" * 63,
]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("identifier", NAMES)
def test_names_of_schema_table_and_columns(run: Run, extract: Extract, identifier: str) -> None:
    one = quoted(identifier)
    run(f"create schema {one}")
    run(f"create table {one}.{one} ({one} int, other text)")
    run(f"insert into {one}.{one} select i, i::text from generate_series(1, 300) i")
    expected = [{identifier: i, "other": str(i)} for i in range(101, 201)]
    selections: list[dict[str, Any]] = [
        {"table": f"{identifier}.{identifier}", "partitions": 2, "partition_by": identifier},
        {"table": f"{identifier}.{identifier}", "columns": {identifier: "int64"}},
        {"query": f"select * from {one}.{one}"},
    ]
    for fields in selections:
        table = extract(window=Window(identifier, after=100, upto=200), **fields)
        assert sorted(table.to_pylist(), key=lambda row: row[identifier]) == expected


def test_names_that_differ_in_case_only(run: Run, extract: Extract) -> None:
    run('create table t (id int, "ID" int, "Id" int)')
    run("insert into t select i, -i, i * 2 from generate_series(1, 100) i")
    table = extract(table="t", partitions=2, partition_by="ID", columns={"Id": "int16"})
    assert table.column_names == ["id", "ID", "Id"]
    assert str(table.schema.field("Id").type) == "int16"
    assert sum(table["ID"].to_pylist()) == -5050


def test_a_name_in_another_case_is_not_the_table(run: Run, extract: Extract) -> None:
    run('create table "Flights" (id int)')
    with pytest.raises(BadQuery, match='relation "flights" does not exist'):
        extract(table="flights")


@pytest.mark.parametrize(
    "query", ["select 1 as a, 2 as a", "select 1, 2", "select 1 as b, a, a from t"]
)
def test_names_that_occur_twice_are_refused(run: Run, extract: Extract, query: str) -> None:
    run("create table t as select 1 as a")
    with pytest.raises(BadQuery, match=r"occur twice in the result: (a|\?column\?)"):
        extract(query=query)


def test_a_result_without_columns_is_refused(run: Run, extract: Extract) -> None:
    run("create table t ()")
    for fields in ({"table": "t"}, {"query": "select from pg_class"}):
        with pytest.raises(BadQuery, match="no columns"):
            extract(**fields)


@pytest.mark.parametrize("table", ["t.", ".t", "a..b"])
def test_names_that_are_none(extract: Extract, table: str) -> None:
    with pytest.raises(BadQuery, match=r"not of the form table or schema\.table"):
        extract(table=table)


@pytest.mark.parametrize(
    "query",
    [
        "select * from t;",
        "select * from t ; \n ",
        "select * from t -- the end",
        "select * from t /* a ; b */",
        "-- before\nselect * from t",
        "select * from t where name <> '-- ; 50 %'",
        "select * from t where name <> $tag$ % ; ' $tag$",
        "with x as (select * from t) select * from x",
        "(select * from t)",
        "table t",
        "select * from t order by id desc",
        "select * from t union all select * from t where false",
        "values (1, 'a%'), (2, 'b')",
    ],
)
@pytest.mark.parametrize("partitioned", [False, True])
def test_spellings_of_a_query(run: Run, extract: Extract, query: str, partitioned: bool) -> None:
    run("create table t as select * from (values (1, 'a%'), (2, 'b')) v(id, name)")
    column = "column1" if query.startswith("values") else "id"
    fields = {"partitions": 2, "partition_by": column} if partitioned else {}
    table = extract(query=query, **fields)
    assert sorted(zip(*table.to_pydict().values(), strict=True)) == [(1, "a%"), (2, "b")]
