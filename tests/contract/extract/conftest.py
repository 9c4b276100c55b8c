"""A real PostgreSQL, and the way from its tables to Parquet on the local S3."""

from __future__ import annotations

import io
import itertools
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pyarrow.parquet as pq
import pytest
from extract_steps import Step
from postgres import postgres

from airflow_ml_provider.extract import extraction
from airflow_ml_provider.extract.postgres.source import PostgresSource
from airflow_ml_provider.extract.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run one server for all tests of this process; give the folder of its socket."""
    with postgres(tmp_path_factory.mktemp("postgres") / "data") as socket:
        yield socket


@pytest.fixture
def parameters(server: Path) -> Iterator[dict[str, str]]:
    """Return libpq's parameters of a database that is empty, and this test's own."""
    root = {"host": str(server), "user": "postgres", "dbname": "postgres"}
    name = f"test_{next(_numbers)}"
    with closing(psycopg2.connect(**root)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"create database {name} strategy file_copy")
        yield {**root, "dbname": name}
        connection.cursor().execute(f"drop database {name} with (force)")


@pytest.fixture
def connect(parameters: dict[str, str]) -> Callable[[], Any]:
    """Return what a hook's ``get_conn`` is."""
    return lambda: psycopg2.connect(**parameters)


@pytest.fixture
def run(connect: Callable[[], Any]) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Run SQL in the test's database, committed at once, and give its rows."""
    with closing(connect()) as connection:
        connection.autocommit = True

        def run(text: str, *values: object) -> list[tuple[Any, ...]]:
            cursor = connection.cursor()
            cursor.execute(text, values or None)
            return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture
def output(bucket: str, name: str) -> str:
    """Return where the test's extracts go."""
    return f"s3://{bucket}/{name}"


@pytest.fixture
def published(output: str, keys: Callable[[], list[str]], read: Callable[..., bytes]) -> Any:
    """Give the table that a reader sees at the output, or None where nothing is visible."""

    def published() -> pa.Table | None:
        parts = [key for key in keys() if not key.startswith("_")]
        assert parts in ([], ["part-00000.parquet"])
        return pq.read_table(io.BytesIO(read(f"{output}/{parts[0]}"))) if parts else None

    return published


@pytest.fixture
def extract(
    connect: Callable[[], Any],
    output: str,
    published: Callable[[], pa.Table],
    client: Callable[[str], Any],
) -> Callable[..., pa.Table]:
    """Extract a selection of the test's database, and give the table that a reader sees then."""

    def extract(**fields: Any) -> pa.Table:
        source = PostgresSource(Selection(name="warehouse", **fields), connect)
        extraction.extract(source, output, client=lambda: client("s3"))
        return published()

    return extract


@pytest.fixture(params=["sqlite", "postgresql"])
def step(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    bucket: str,
    name: str,
    client: Callable[[str], Any],
) -> Step:
    """Return the step of a table that has no rows yet, on each of the databases."""
    database: dict[str, Any] = {"sqlite": str(tmp_path / "warehouse.db")}
    if request.param == "postgresql":
        database = request.getfixturevalue("parameters")
    step = Step(database, f"s3://{bucket}/{name}", client("s3"))
    step.sql("create table orders (id bigint not null, day date, amount integer)")
    return step
