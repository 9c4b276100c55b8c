from __future__ import annotations

import sys
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pyarrow as pa
import pytest

from airflow_ml_provider.extract.errors import BadQuery, SourceUnavailable
from airflow_ml_provider.extract.postgres import source as postgres
from airflow_ml_provider.extract.postgres.source import PostgresSource
from airflow_ml_provider.extract.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_ml_provider.extract.source import Rows

    Run = Callable[..., list[tuple[Any, ...]]]
    Extract = Callable[..., pa.Table]

SHARES = [(1, None), (3, None), (3, "id"), (2, "kind")]


@pytest.fixture(params=["adbc", "cursor"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by ADBC, and as if it were not installed."""
    if request.param == "cursor":
        monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)


@pytest.fixture
def opened(connect: Callable[[], Any]) -> Callable[..., Any]:
    """Open a source of the test's database."""
    return lambda **fields: PostgresSource(Selection(name="warehouse", **fields), connect).open()


@pytest.fixture
def session(connect: Callable[[], Any]) -> Iterator[Any]:
    """Give a cursor of a session of its own, with a transaction of its own."""
    with closing(connect()) as connection:
        yield connection.cursor()


@pytest.fixture
def aside() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Run something in a thread; it has to end before the test does."""
    threads: list[threading.Thread] = []
    problems: list[BaseException] = []

    def start(call: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                call()
            except BaseException as error:  # noqa: BLE001  told below
                problems.append(error)

        thread = threading.Thread(target=run)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert problems == []


def read(rows: Rows) -> pa.Table:
    batches = []
    for stream in rows.streams:
        with stream() as found:
            batches += list(found)
    return pa.Table.from_batches(batches, rows.schema)


def waiting(run: Run) -> bool:
    return bool(run("select 1 from pg_locks where not granted"))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("partitions", "partition_by"), SHARES)
def test_what_is_committed_after_the_opening_is_not_seen(
    run: Run, opened: Callable[..., Any], partitions: int, partition_by: str | None
) -> None:
    run(
        "create table t as select i as id, i % 3 as kind, repeat('x', 100) as text "
        "from generate_series(1, 9000) i"
    )
    before = run("select count(*), sum(id), sum(kind) from t")[0]
    with opened(table="t", partitions=partitions, partition_by=partition_by) as rows:
        assert len(rows.streams) == partitions
        # Rows move to other pages, to other shares of both columns, go and come.
        run("update t set id = 9001 - id, kind = 2 - kind where id % 2 = 0")
        run("delete from t where id % 5 = 0")
        run("vacuum t")
        run("insert into t select i, 1, repeat('y', 100) from generate_series(9001, 30000) i")
        table = read(rows)
    ids, kinds = table["id"].to_pylist(), table["kind"].to_pylist()
    assert (len(ids), sum(ids), sum(kinds)) == before
    assert set(table["text"].to_pylist()) == {"x" * 100}


@pytest.mark.parametrize(("partitions", "partition_by"), SHARES)
def test_streams_see_one_moment_while_a_writer_commits(
    *,
    run: Run,
    extract: Extract,
    connect: Callable[[], Any],
    aside: Callable[..., Any],
    partitions: int,
    partition_by: str | None,
) -> None:
    """Every commit moves an amount from one row to another, and a row to another place."""
    run(
        "create table t as select i as id, i % 3 as kind, 100 as amount "
        "from generate_series(0, 4999) i"
    )
    done = threading.Event()
    commits = []

    def write() -> None:
        with closing(connect()) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            while not done.is_set() or len(commits) < 10:
                number = len(commits)
                cursor.execute(
                    "update t set kind = (kind + 1) %% 3, amount = amount + "
                    "case when id %% 2 = 0 then 1 else -1 end where id / 2 = (%s * 7) %% 2500",
                    (number,),
                )
                commits.append(number)

    writer = aside(write)
    try:
        for _ in range(3):
            table = extract(table="t", partitions=partitions, partition_by=partition_by)
            assert sorted(table["id"].to_pylist()) == list(range(5000))
            assert sum(table["amount"].to_pylist()) == 500_000
    finally:
        done.set()
        writer.join()


def test_a_query_over_two_tables_sees_one_moment(run: Run, opened: Callable[..., Any]) -> None:
    run("create table a as select i as id from generate_series(1, 1000) i")
    run("create table b as table a")
    query = "select a.id, b.id as other from a full join b on a.id = b.id"
    with opened(query=query, partitions=2, partition_by="id") as rows:
        run("with gone as (delete from a where id % 2 = 0) delete from b where id % 2 = 0")
        table = read(rows)
    assert table.num_rows == 1000
    assert table["id"].to_pylist() == table["other"].to_pylist()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "change",
    [
        "alter table t add b int",
        "alter table t alter a type text",
        "truncate t",
        "drop table t",
        "alter table t rename to u",
    ],
)
@pytest.mark.parametrize("query", [None, "select * from v"])
def test_no_one_changes_a_table_that_is_being_read(
    run: Run, opened: Callable[..., Any], session: Any, change: str, query: str | None
) -> None:
    run("create table t as select i as a from generate_series(1, 1000) i")
    if query:
        run("create view v as select a from t")
    with opened(query=query, table=None if query else "t") as rows:
        session.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            session.execute(change)
        session.connection.rollback()
        assert sorted(read(rows)["a"].to_pylist()) == list(range(1, 1001))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("fields", [{"table": "t"}, {"query": "select * from t"}])
def test_a_table_that_is_being_rewritten_is_waited_for(
    *,
    run: Run,
    opened: Callable[..., Any],
    session: Any,
    aside: Callable[..., Any],
    until: Callable[..., None],
    fields: dict[str, str],
    partitions: int,
) -> None:
    """A snapshot from before the rewrite's commit would see an empty table."""
    run("create table t as select i as a from generate_series(1, 1000) i")
    session.execute("alter table t alter a type text using 'was ' || a, add b int default 7")
    found = []

    def extract() -> None:
        with opened(partitions=partitions, partition_by="b", **fields) as rows:
            found.append(read(rows))

    thread = aside(extract)
    until(lambda: waiting(run))
    session.connection.commit()
    thread.join(60)
    (table,) = found
    assert table.schema.names == ["a", "b"]
    assert sorted(table["a"].to_pylist()) == sorted(f"was {i}" for i in range(1, 1001))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_change_that_waits_in_the_middle_ends_the_extract_clearly(
    *,
    run: Run,
    opened: Callable[..., Any],
    session: Any,
    aside: Callable[..., Any],
    until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    partitions: int,
) -> None:
    """The change waits for the transaction that holds the snapshot, and streams for the change."""
    monkeypatch.setattr(postgres, "_LOCK_TIMEOUT", "200ms")
    run("create table t as select i as a from generate_series(1, 1000) i")

    def change() -> None:
        session.execute("alter table t alter a type text using 'new ' || a")
        session.connection.commit()

    with opened(table="t", partitions=partitions) as rows:
        aside(change)
        until(lambda: waiting(run))
        with pytest.raises(SourceUnavailable, match="lock"):
            read(rows)
    with opened(table="t", partitions=partitions) as rows:
        assert set(read(rows)["a"].to_pylist()) == {f"new {i}" for i in range(1, 1001)}


@pytest.mark.usefixtures("way")
def test_the_database_is_left_as_it_was(
    run: Run, opened: Callable[..., Any], until: Callable[..., None]
) -> None:
    """Also where streams were left in the middle."""
    run("create table t as select i as a from generate_series(1, 200000) i")
    with ExitStack() as stack:
        rows = stack.enter_context(opened(table="t", partitions=3))
        for stream in rows.streams:
            next(stack.enter_context(stream()))
    others = "pid <> pg_backend_pid() and datname = current_database()"
    until(lambda: not run(f"select 1 from pg_stat_activity where {others}"))


def test_nothing_can_be_written(run: Run, extract: Extract) -> None:
    run("create table t (a int)")
    run(
        "create function sneak() returns int language sql as 'insert into t values (1) returning a'"
    )
    for query in (
        "select sneak() as a",
        "with x as (insert into t values (1) returning a) select * from x",
        "insert into t values (1) returning a",
        "select 1 as a into u",
    ):
        with pytest.raises(BadQuery, match=r"read-only|syntax error|data-modifying|not allowed"):
            extract(query=query)
    assert run("select * from t") == []
