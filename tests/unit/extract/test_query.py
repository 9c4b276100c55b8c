from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from airflow_ml_provider.extract import extraction
from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.errors import CheckFailed, EmptyResult, HistoryInvalid, NoRows
from airflow_ml_provider.extract.publish.manifest import read_manifest
from airflow_ml_provider.extract.query import extract_query

OUTPUT = "s3://bucket/orders/run/output/"
HISTORY = "s3://bucket/orders/_history/orders.json"


@pytest.fixture
def extracted(monkeypatch):
    """What ``extract`` was called with, and what it does."""
    call = SimpleNamespace(rows=3, error=None)

    def extract(source, uri, **options):
        call.source, call.uri, call.options = source, uri, options
        if call.error:
            raise call.error
        return SimpleNamespace(rows=call.rows)

    monkeypatch.setattr(extraction, "extract", extract)
    return call


def run(connect: Any = lambda: "connection", *, kind: str = "sqlite", **fields: Any) -> Any:
    options = {
        "conn_id": "warehouse",
        "query": "select :carrier",
        "table": None,
        "parameters": {"carrier": "UA", "run_date": "2000-01-01"},
        "defaults": {"run_date": "2013-08-29", "data_interval_end": "2013-08-30"},
        "columns": {"carrier": "string"},
        "partitions": 1,
        "partition_by": None,
        "watermark": None,
        "watermark_delay_seconds": 0,
        "on_drift": "fail",
        "checks": [],
        "memory_mb": 300,
        "history": None,
        "run_key": "20130829T000000",
        "output": OUTPUT,
        "on_empty": "continue",
        "kms_key_id": None,
        "client": Mock(),
        **fields,
    }
    return extract_query(Connection(kind), connect, **options)


def test_what_the_run_brings_need_not_be_used_and_gives_way(extracted):
    assert run().rows == 3
    selection = extracted.source.selection
    assert (selection.name, selection.query, selection.table) == (
        "warehouse",
        "select :carrier",
        None,
    )
    assert extracted.source.connect() == "connection"
    assert selection.parameters == {"carrier": "UA"}
    assert selection.defaults == {"run_date": "2000-01-01", "data_interval_end": "2013-08-30"}
    assert selection.columns == {"carrier": "string"}
    assert extracted.uri == OUTPUT
    assert extracted.options["memory_mb"] == 300
    assert extracted.options["drift"] is None


def test_a_key_encrypts(extracted):
    run()
    assert extracted.options["options"] == {}
    run(kms_key_id="alias/ml")
    assert extracted.options["options"] == {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/ml",
    }


def test_the_client_is_made_once_and_not_before_it_is_needed(extracted):
    client = Mock()
    run(client=client, history=HISTORY)
    client.assert_not_called()
    made = extracted.options["client"]
    assert made() is made() is extracted.options["drift"].history.client()
    client.assert_called_once_with()


def test_no_rows_may_go_on(extracted, caplog):
    extracted.rows = 0
    assert run().rows == 0
    assert "warehouse gave no rows: an empty dataset was published." in caplog.text
    assert extracted.options["allow_empty"] is True
    extracted.error = EmptyResult("a is unknown")
    with pytest.raises(EmptyResult, match=r"^a is unknown$"):
        run()


@pytest.mark.parametrize("error", [EmptyResult("a is NULL"), NoRows("warehouse gave no rows")])
@pytest.mark.parametrize("on_empty", ["skip", "fail"])
def test_no_rows_where_there_have_to_be_some(extracted, error, on_empty):
    extracted.error = error
    with pytest.raises(NoRows, match=rf"^warehouse gave no rows \(on_empty='{on_empty}'\)$"):
        run(on_empty=on_empty)
    assert extracted.options["allow_empty"] is False


@pytest.mark.parametrize("missing", [{"history": None}, {"run_key": None}])
def test_a_watermark_needs_a_history_and_a_run(extracted, missing):
    with pytest.raises(HistoryInvalid, match="watermark 'id' needs history= and run_key="):
        run(watermark="id", **{"history": HISTORY, **missing})


def test_runs_read_what_came_since(s3, sqlite):
    connect = sqlite("create table t (id int, name text); insert into t values (1, 'a'), (2, 'b')")
    fields = {
        "query": None,
        "table": "t",
        "parameters": {},
        "columns": {},
        "watermark": "id",
        "history": HISTORY,
        "client": lambda: s3,
    }
    assert run(connect, run_key="1", **fields).rows == 2
    database = connect()
    with database:
        database.execute("insert into t values (3, 'c')")
    database.close()
    assert run(connect, run_key="2", **fields).rows == 1
    assert run(connect, run_key="1", **fields).rows == 2
    assert read_manifest(s3, OUTPUT).rows == 2


@pytest.mark.parametrize("kind", ["sqlite", "cursor"])
@pytest.mark.parametrize("policy", ["fail", "evolve", "ignore"])
def test_an_empty_day_has_the_types_of_the_day_before(s3, sqlite, kind, policy):
    connect = sqlite("create table t (day text, id int); insert into t values ('1', 1), ('3', 3)")

    def day(name, **fields):
        options = {
            "query": "select * from t where day = :day",
            "parameters": {"day": name},
            "columns": {"day": "int16"},
            "on_drift": policy,
            "history": HISTORY,
            "run_key": name,
            "output": f"s3://bucket/orders/{name}/",
            "client": lambda: s3,
            **fields,
        }
        return run(connect, kind=kind, **options)

    with pytest.raises(EmptyResult, match=r"there are no rows, .* the types of id;"):
        day("2")
    columns = day("1").columns
    empty = day("2")
    assert (empty.rows, empty.columns) == (0, columns)
    assert [column.type for column in columns] == ["int16", "int64"]
    assert (day("3").rows, day("2").rows) == (1, 0)
    with pytest.raises(NoRows, match="on_empty='fail'"):
        day("2", on_empty="fail")
    other = {"query": "select id, day from t where day = :day"}
    with pytest.raises(EmptyResult, match="the types of id;"):
        day("2", **other)


def test_an_empty_window_has_the_types_of_the_run_before(s3, sqlite):
    connect = sqlite("create table t (id int); insert into t values (1), (2)")
    fields = {"query": None, "table": "t", "parameters": {}, "columns": {}, "watermark": "id"}
    fields |= {"history": HISTORY, "client": lambda: s3}
    full = run(connect, run_key="1", **fields)
    empty = run(connect, run_key="2", **fields)
    assert (full.rows, empty.rows) == (2, 0)
    assert empty.columns == full.columns


def test_failed_checks_publish_nothing(s3, sqlite, listing):
    connect = sqlite("create table t (id int); insert into t values (1), (1)")
    with pytest.raises(CheckFailed, match=r"unique\(id\): 1 of 2 rows repeat a key"):
        run(
            connect,
            query="select id from t",
            parameters={},
            columns={},
            checks=[{"check": "unique", "columns": ["id"]}],
            client=lambda: s3,
        )
    assert "orders/run/output/part-00000.parquet" not in listing()
