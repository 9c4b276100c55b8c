from __future__ import annotations

import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.postgres.partitions import shares
from airflow_ml_provider.extract.postgres.session import Session
from airflow_ml_provider.extract.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    Run = Callable[..., list[tuple[Any, ...]]]
    Extract = Callable[..., pa.Table]


@pytest.fixture
def session(connect: Callable[[], Any]) -> Iterator[Session]:
    with Session.opened("warehouse", connect) as opened:
        opened.rows("set datestyle = 'ISO'")
        yield opened


@pytest.fixture
def shared(session: Session) -> Callable[..., list[list[tuple[Any, ...]]]]:
    """Give the rows of each share of a selection; every row has to be in exactly one."""

    def shared(select: str = "*", **fields: Any) -> list[list[tuple[Any, ...]]]:
        selection = Selection(name="warehouse", **fields)
        columns = [column.name for column in session.described(session.render(selection))]
        found = [
            session.rows(
                session.render(selection, select=select, where=share.where, values=share.values)
            )
            for share in shares(selection, columns, session)
        ]
        together = Counter(repr(row) for rows in found for row in rows)
        assert together == Counter(
            repr(row) for row in session.rows(session.render(selection, select=select))
        )
        return found

    return shared


VALUES = {
    "smallint": "(i - 500)",
    "bigint": "(i::bigint - 500) * 9000000000000000",
    "numeric": "case when i % 100 = 0 then 'NaN' else (10::numeric ^ (i % 90)) * i end",
    "double precision": "case i % 9 when 0 then 'NaN' when 1 then '-Infinity' when 2 then '-0' "
    "else sqrt(i) end",
    "date": "case i % 9 when 0 then 'infinity' when 1 then '4713-01-01 BC' "
    "else '2024-01-01'::date + i end",
    "timestamp": "case i % 9 when 0 then '-infinity' else '2024-01-01'::timestamp "
    "+ i * interval '1 microsecond' end",
    "timestamptz": "'2024-10-27 00:00:00+00'::timestamptz + i * interval '10 s'",
    "time": "case i % 9 when 0 then '24:00:00' else '00:00'::time + i * interval '1 s' end",
    "interval": "i * interval '1 hour'",
    "text": r"chr(39) || chr(92) || chr(37) || ':a é' || (i * 7919 % 1000)",
    "character(7)": "i",
    "uuid": "md5(i::text)::uuid",
    "bytea": "decode(md5(i::text), 'hex')",
    "boolean": "i % 10 = 0",
    "mood": "(array['ok', 'so ''so''', 'bad', 'never'])[1 + i % 3]",
    "integer[]": "array[i % 300, i]",
    "inet": "'10.0.0.0'::inet + i",
}


@pytest.mark.parametrize("type_name", VALUES)
def test_every_type_with_an_order_is_shared_evenly(run: Run, shared: Any, type_name: str) -> None:
    run("create type mood as enum ('bad', 'so ''so''', 'ok', 'never')")
    run(f'create table t ("The ""Key""" {type_name}, i int)')
    value = f"({VALUES[type_name]})::{type_name}"
    run(f"insert into t select {value}, i from generate_series(1, 1000) i")
    run("insert into t select null, i from generate_series(1, 50) i")
    run("set timezone = 'America/New_York'; analyze t")
    select = 'i, "The ""Key""" is null'
    found = shared(select, table="t", partitions=3, partition_by='The "Key"')
    assert len(found) == 3
    assert max(map(len, found)) <= (900 if type_name == "boolean" else 450)
    assert sum(null for _, null in found[0]) == 50


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ("select 1 where false", 1),
        ("select 7", 1),
        ("select null::int from generate_series(1, 50)", 1),
        ("select 7 from generate_series(1, 500)", 1),
        ("select nullif(i % 2, 0) from generate_series(1, 500) i", 2),
        ("select i from generate_series(1, 3) i", 3),
        ("select i + case when i < 500 then 0 else 1e9 end from generate_series(1, 900) i", 4),
        ("select case when i < 990 then 1 else i end from generate_series(1, 1000) i", 4),
        ("select case when i < 600 then 1 else i end from generate_series(1, 1000) i", 4),
        ("select case when i > 600 then 999 else i end from generate_series(1, 1000) i", 4),
    ],
)
def test_skew(run: Run, shared: Any, rows: str, count: int) -> None:
    run(f"create table t as select k from ({rows}) rows(k)")
    assert len(shared(table="t", partitions=4, partition_by="k")) == count


def test_gaps_do_not_matter(run: Run, shared: Any) -> None:
    run("create table t as select (1.02 ^ i)::numeric as id from generate_series(1, 4000) i")
    sizes = [len(rows) for rows in shared(table="t", partitions=4, partition_by="id")]
    assert sizes == [1000, 1000, 1000, 1000]


def test_a_large_table_is_sampled(run: Run, shared: Any) -> None:
    run("create table t as select i as id from generate_series(1, 300000) i; analyze t")
    sizes = [len(rows) for rows in shared(table="t", partitions=3, partition_by="id")]
    assert len(sizes) == 3
    assert max(sizes) < 110_000


def test_values_that_the_sample_missed_are_in_the_first_share(run: Run, shared: Any) -> None:
    run(
        "create table t as select case when i % 1000 = 0 then i else i % 2 end as kind "
        "from generate_series(1, 300000) i; analyze t"
    )
    found = shared(table="t", partitions=2, partition_by="kind")
    assert len({kind for (kind,) in found[0]}) > 100


def test_statistics_that_are_wrong_only_cost_evenness(run: Run, shared: Any) -> None:
    run("create table t (id int) with (autovacuum_enabled = off)")
    run("insert into t select generate_series(1, 200000); analyze t; truncate t")
    run("insert into t select generate_series(1, 100)")
    run("update pg_class set reltuples = 1e12, relpages = 1 where relname = 't'")
    assert sum(map(len, shared(table="t", partitions=3, partition_by="id"))) == 100


def test_a_query_with_parameters_comments_and_percents(run: Run, shared: Any) -> None:
    run("create table t as select i as id, i || '%' as name from generate_series(1, 1000) i")
    found = shared(
        query="select id, name from t where name like :name and id % 2 = :odd -- 100 %;",
        parameters={"name": "%5_\\%", "odd": 1},
        partitions=2,
        partition_by="id",
    )
    assert [len(rows) for rows in found] == [25, 25]


def test_pages(run: Run, shared: Any) -> None:
    run("create table t as select i, repeat('x', 100) from generate_series(1, 20000) i")
    run("delete from t where i % 3 = 0")
    found = shared(table="t", partitions=4)
    assert len(found) == 4
    assert max(map(len, found)) < 3_800


def test_pages_are_scanned_by_range(run: Run, session: Session) -> None:
    run("create table t as select i, repeat('x', 100) from generate_series(1, 20000) i")
    selection = Selection(name="warehouse", table="t", partitions=3)
    for share in shares(selection, ["i"], session):
        (where,) = share.where
        plan = session.rows(f"explain {session.render(selection, where=[where])}")
        assert "Tid Range Scan" in plan[0][0]


def test_pages_of_partitioned_inherited_and_materialized_tables(run: Run, shared: Any) -> None:
    run("create table p (i int, t text) partition by range (i)")
    run("create table p_1 partition of p for values from (0) to (15000)")
    run("create table p_2 partition of p for values from (15000) to (30000) partition by list (t)")
    run("create table p_2_x partition of p_2 default")
    run("insert into p select i, repeat('x', 100) from generate_series(1, 20000) i")
    run("create table parent (i int); create table child (j int) inherits (parent)")
    run("insert into parent select generate_series(1, 9000)")
    run("insert into child select i, i from generate_series(1, 20000) i")
    run("create materialized view m as select * from p")
    for table in ("p", "parent", "m"):
        found = shared(table=table, partitions=3)
        assert len(found) == 3
        assert max(map(len, found)) < 0.4 * sum(map(len, found))


def test_tables_without_pages_and_queries_need_a_column(run: Run, extract: Extract) -> None:
    run("create table t as select 1 as a; create view v as select * from t")
    with pytest.raises(BadQuery, match=r"table 'v' .* not one is: v; mend: name a column"):
        extract(table="v", partitions=2)
    with pytest.raises(BadQuery, match=r"partitions=2 of a query .* mend: name a column"):
        extract(query="select * from t", partitions=2)
    assert extract(table="v", partitions=2, partition_by="a").num_rows == 1


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select * from t limit 500", "limit"),
        ("select * from (select * from t fetch first 5 rows only) x", "limit"),
        ("select id, random() from t", "random"),
        ("select id from v", "now"),
        ("select id from t where at < current_timestamp", "CURRENT_TIMESTAMP"),
        ("select id from t tablesample bernoulli (50)", "tablesample"),
        ("select id, gen_random_uuid() from t", "gen_random_uuid"),
        ("select own(id) as id from t", "own"),
    ],
)
def test_a_query_that_differs_from_run_to_run_is_refused(
    run: Run, extract: Extract, query: str, reason: str
) -> None:
    run("create table t as select i as id, now() as at from generate_series(1, 1000) i")
    run("create view v as select id from t where at < now()")
    run("create function own(i int) returns int language plpgsql as 'begin return i; end'")
    with pytest.raises(BadQuery, match=f"each time: {reason}; mend: "):
        extract(query=query, partitions=2, partition_by="id")
    assert extract(query=query).num_rows > 0


def test_a_query_that_does_not_differ_is_read(run: Run, extract: Extract) -> None:
    run("create table t as select i as id, 'random()' as \"now\" from generate_series(1, 1000) i")
    run("create index on t (id)")
    query = """select id, "now", 'now()' as "CURRENT_DATE" from t
        where id < (select max(id) from t) and id > (select min(id) from t)"""
    assert extract(query=query, partitions=2, partition_by="id").num_rows == 998


def test_a_column_without_an_order(run: Run, extract: Extract) -> None:
    run("""create table t as select '{"a": 1}'::json as doc""")
    with pytest.raises(BadQuery, match=r"(?s)json.*mend: another .* than 'doc'"):
        extract(table="t", partitions=2, partition_by="doc")


def test_a_column_that_is_not_there(run: Run, extract: Extract) -> None:
    run("create table t as select 1 as id, 'a' as name")
    with pytest.raises(BadQuery, match=r"partition_by 'ID' is not one of the columns \(id, name\)"):
        extract(table="t", partitions=2, partition_by="ID")


@pytest.mark.parametrize("partition_by", [None, "id", "kind", "key"])
@pytest.mark.parametrize("partitions", [2, 5])
def test_streams_together_are_the_table(
    run: Run, extract: Extract, partitions: int, partition_by: str | None
) -> None:
    run(
        "create table t as select i as id, nullif(i % 7, 0) as kind, md5(i::text)::uuid as key, "
        "repeat('x', i % 200) as text from generate_series(1, 50000) i"
    )
    table = extract(table="t", partitions=partitions, partition_by=partition_by)
    assert table.num_rows == 50_000
    rows = sorted(table.to_pylist(), key=lambda row: row["id"])
    for i, row in enumerate(rows, 1):
        assert row["id"] == i
        assert row["kind"] == (i % 7 or None)
        assert len(row["text"]) == i % 200
    assert len({uuid.UUID(str(row["key"])) for row in rows}) == 50_000
