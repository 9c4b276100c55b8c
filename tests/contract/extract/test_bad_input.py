from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from airflow_ml_provider.extract import extraction
from airflow_ml_provider.extract.errors import (
    BadQuery,
    ExtractError,
    SourceUnavailable,
    TypeMismatch,
    UnknownType,
)
from airflow_ml_provider.extract.postgres.source import PostgresSource
from airflow_ml_provider.extract.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    Run = Callable[..., list[tuple[Any, ...]]]
    Extract = Callable[..., pa.Table]

MANY = "generate_series(1, 200000) as g(i)"


@pytest.fixture
def fails(
    run: Run, extract: Extract, published: Callable[[], pa.Table | None]
) -> Callable[..., ExtractError]:
    """Extract something that fails, once over nothing and once over an earlier result."""

    def once(kind: type[ExtractError], fields: dict[str, Any]) -> ExtractError:
        before = published()
        with pytest.raises(kind) as caught:
            extract(**fields)
        assert published() == before
        return caught.value

    def fails(kind: type[ExtractError], **fields: Any) -> ExtractError:
        error = once(kind, fields)
        extract(query="select 1 as before")
        assert str(once(kind, fields)) == str(error)
        return error

    return fails


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("selec 1", "syntax error at or near"),
        ("select * from nowhere", 'relation "nowhere" does not exist'),
        ("select nothing from t", 'column "nothing" does not exist'),
        ("select * from t where a = 'word'", 'invalid input syntax for type integer: "word"'),
        ("select (", "syntax error at or near"),
        ("", "give either query or table"),
        (";", "syntax error"),
        ("-- nothing", "syntax error"),
        ("select 1 as a; select 2 as a", "syntax error|multiple commands"),
        ("select 1 as a; drop table t", "syntax error|multiple commands"),
        ("select 1 as a) x; drop table t; --", "syntax error|multiple commands"),
        ("select 1 as a; commit; drop table t", "syntax error|multiple commands"),
        ("drop table t", "syntax error"),
        ("insert into t values (1) returning a", "syntax error|read-only"),
        ("copy t to stdout", "syntax error"),
        ("set search_path = x", "syntax error"),
        ("select 'open", "unterminated quoted string"),
        ("select /* open", "unterminated /* comment"),
    ],
)
def test_bad_sql(run: Run, fails: Callable[..., ExtractError], query: str, says: str) -> None:
    run("create table t as select 1 as a")
    if not query:
        with pytest.raises(BadQuery, match=says):
            Selection("warehouse", query=query)
        return
    error = fails(BadQuery, query=query)
    assert any(text in str(error) for text in says.split("|"))
    assert str(error).startswith("warehouse: ")
    assert run("select * from t") == [(1,)]


def test_a_missing_table(fails: Callable[..., ExtractError]) -> None:
    assert 'relation "nowhere" does not exist' in str(fails(BadQuery, table="nowhere"))
    assert 'relation "no.where" does not exist' in str(fails(BadQuery, table="no.where"))
    assert "nowhere" in str(fails(BadQuery, table="nowhere", partitions=2))


def test_no_permission(
    run: Run, parameters: dict[str, str], output: str, client: Callable[[str], Any]
) -> None:
    run("create table t (a int); drop role if exists reader; create role reader login")
    selection = Selection("warehouse", table="t")
    source = PostgresSource(selection, lambda: psycopg2.connect(**{**parameters, "user": "reader"}))
    with pytest.raises(BadQuery, match="permission denied for table t"):
        extraction.extract(source, output, client=client("s3"))
    run("drop role reader")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"host": "127.0.0.1", "port": "1"}, "Connection refused"),
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
        ({"user": "nobody"}, 'role "nobody" does not exist'),
        ({"sslmode": "require", "host": "127.0.0.1", "port": "1"}, "Connection refused"),
    ],
)
def test_no_connection(
    *,
    parameters: dict[str, str],
    output: str,
    client: Callable[[str], Any],
    published: Callable[[], pa.Table | None],
    change: dict[str, str],
    says: str,
) -> None:
    given = {**parameters, **change, "password": "not-to-be-seen"}
    source = PostgresSource(Selection("warehouse", table="t"), lambda: psycopg2.connect(**given))
    with pytest.raises(ExtractError, match=says) as caught:
        extraction.extract(source, output, client=client("s3"))
    assert "not-to-be-seen" not in str(caught.value)
    assert published() is None


def test_a_connection_that_is_lost_in_the_middle(fails: Callable[..., ExtractError]) -> None:
    query = f"""select i, md5(i::text) as text,
        case when i = 150000 then pg_terminate_backend(pg_backend_pid()) end as gone from {MANY}"""
    error = fails(SourceUnavailable, query=query)
    assert str(error).startswith("warehouse: ")


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("ended", ["terminate", "cancel"])
def test_sessions_that_end_between_batches(
    run: Run, connect: Callable[[], Any], partitions: int, ended: str
) -> None:
    run(f"create table t as select i, repeat('x', 200) as text from {MANY}")
    source = PostgresSource(Selection("warehouse", table="t", partitions=partitions), connect)
    others = "from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"

    def read() -> None:
        with source.open(batch_bytes=65_536) as rows, rows.streams[0]() as batches:
            assert next(batches).num_rows > 0
            run(f"select pg_{ended}_backend(pid) {others}")
            for _ in batches:
                pass

    with pytest.raises(SourceUnavailable, match="warehouse: "):
        read()


def test_a_query_that_fails_in_the_middle(fails: Callable[..., ExtractError]) -> None:
    error = fails(BadQuery, query=f"select 1 / (150000 - i) as a from {MANY}")
    assert "division by zero" in str(error)


def test_a_query_that_fails_in_one_stream_of_many(
    run: Run, fails: Callable[..., ExtractError]
) -> None:
    run(f"create table t as select i, repeat('x', 50) as text from {MANY}")
    query = "select i, 1 / (i - 199999) as a, text from t"
    error = fails(BadQuery, query=query, partitions=3, partition_by="i")
    assert "division by zero" in str(error)


def test_a_query_that_takes_too_long(
    run: Run, parameters: dict[str, str], fails: Callable[..., ExtractError]
) -> None:
    query = f"select case when i = 150000 then pg_sleep(60)::text end as a, md5('x') from {MANY}"
    run(f"alter database {parameters['dbname']} set statement_timeout = '1500ms'")
    error = fails(ExtractError, query=query)
    assert "statement timeout" in str(error)


def test_a_disk_that_is_full(
    run: Run, parameters: dict[str, str], fails: Callable[..., ExtractError]
) -> None:
    run(f"alter database {parameters['dbname']} set temp_file_limit = '512kB'")
    error = fails(ExtractError, query=f"select md5(i::text) as a from {MANY} order by a")
    assert "temporary file size exceeds" in str(error)


@pytest.mark.parametrize(
    ("value", "columns", "kind", "says"),
    [
        ("100 + i", {"a": "int8"}, TypeMismatch, "int8"),
        ("(i * 1.5)::numeric(12, 1)", {"a": "decimal128(5, 1)"}, TypeMismatch, "decimal128"),
        ("i + 0.5", {"a": "int64"}, TypeMismatch, "int64"),
        ("case when i = 150000 then 'word' else '1' end", {"a": "int64"}, TypeMismatch, "word"),
        ("i::text", {"a": "date32"}, TypeMismatch, "date32"),
        ("i", {"a": "int65"}, UnknownType, "int65"),
        ("i", {"b": "int64"}, UnknownType, "b is not in the result"),
        ("10::numeric ^ 40 + i", {}, ExtractError, "38"),
    ],
)
def test_values_that_do_not_fit(
    fails: Callable[..., ExtractError],
    value: str,
    columns: dict[str, str],
    kind: type[ExtractError],
    says: str,
) -> None:
    error = fails(kind, query=f"select {value} as a from {MANY}", columns=columns)
    assert says in str(error)
    assert "mend" in str(error)


INJECTIONS = [
    "'; drop table t; --",
    "' or '1'='1",
    "\\'; drop table t; --",
    "\\",
    "'",
    "''",
    "' || (select current_user) || '",
    "%s %(name)s %% %",
    ":name ::text $1 ? {}",
    "$$; drop table t; $$",
    "/* -- */ \n \r \t",
    "E'\\x27'",
    "\u02bc\u2019\uff07 \u00bf'\u00bf",
    "naïve 列 🛫",
]


@pytest.mark.parametrize(("strings", "partitioned"), [("on", False), ("off", True)])
@pytest.mark.parametrize("value", INJECTIONS)
def test_a_parameter_is_a_value_whatever_is_in_it(
    *,
    run: Run,
    parameters: dict[str, str],
    extract: Extract,
    value: str,
    strings: str,
    partitioned: bool,
) -> None:
    run("create table t (id int, name text)")
    run("insert into t values (1, %s), (2, 'other')", value)
    run(f"alter database {parameters['dbname']} set standard_conforming_strings = {strings}")
    run(f"alter database {parameters['dbname']} set escape_string_warning = off")
    table = extract(
        query="select id, name, :name as given from t where name = :name",
        parameters={"name": value},
        **({"partitions": 2, "partition_by": "name"} if partitioned else {}),
    )
    assert table.to_pylist() == [{"id": 1, "name": value, "given": value}]
    assert run("select count(*) from t") == [(2,)]


@pytest.mark.parametrize("value", ["a\0b", "\ud800", object(), {"a": {1}}])
def test_a_parameter_that_can_be_no_value(fails: Callable[..., ExtractError], value: Any) -> None:
    fails(BadQuery, query="select :name as a", parameters={"name": value})


@pytest.mark.parametrize("partitions", [1, 2])
def test_settings_of_the_database_change_nothing(
    run: Run, parameters: dict[str, str], extract: Extract, partitions: int
) -> None:
    run("""create table "Täble" as select i as id, 'é' || chr(92) || i as text,
        i / 3.0::float8 as number, '2024-02-01'::date + i as day,
        '2024-10-27 00:30:00+00'::timestamptz + i * interval '1 min' as moment,
        i * interval '1 day 2 hours' as span, decode(md5(i::text), 'hex') as bytes,
        (i * 1.10)::numeric(12, 2) as amount, '12.30'::money as money, array['é', null, '"'] as list
        from generate_series(1, 500) i""")
    query = 'select * from "Täble" where text > :text and moment >= :since'
    values = {"text": "é\\", "since": "2024-10-27T00:00:00+00:00"}

    def rows(partition_by: str) -> list[Any]:
        table = extract(
            query=query, parameters=values, partitions=partitions, partition_by=partition_by
        )
        assert table.num_rows == 500
        return [table.schema, *sorted(table.to_pylist(), key=lambda row: int(row["id"]))]

    by = ("id", "text", "number", "day", "moment", "span", "bytes", "money")
    plain = [rows(name) for name in by]
    for setting in (
        "client_encoding = latin1",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = sql_standard",
        "timezone = 'America/St_Johns'",
        "extra_float_digits = -10",
        "bytea_output = escape",
        "standard_conforming_strings = off",
        "default_transaction_isolation = serializable",
        "row_security = off",
    ):
        run(f"alter database {parameters['dbname']} set {setting}")
    assert [rows(name) for name in by] == plain


def test_the_connection_of_another_database(
    output: str, client: Callable[[str], Any], tmp_path: Any
) -> None:
    source = PostgresSource(
        Selection("warehouse", table="t"), lambda: sqlite3.connect(tmp_path / "db")
    )
    with pytest.raises(BadQuery, match=r"warehouse: .*sqlite3"):
        extraction.extract(source, output, client=client("s3"))
