from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import fields
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from airflow_ml_provider._compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)
from airflow_ml_provider.extract import errors, query
from airflow_ml_provider.operators import sql_extract
from airflow_ml_provider.operators.sql_extract import SqlExtractOperator
from airflow_ml_provider.pipeline import InRange, NotNull, RowCount, Unique
from airflow_ml_provider.plan.nodes import Extract
from airflow_ml_provider.sql.column_types import TYPE_NAMES

QUERY = "select * from flights where day >= :run_date and carrier = :carrier"
HISTORY = "s3://lake/_history/flights.json"
NEVER_RUNS = (
    (
        "conn_id: 'my db' is no id of an Airflow connection; give at most 250 letters, digits and "
        r"_-.:/\#!()"
    ),
    f"columns: 'a' is 'decimal128'; give one of {TYPE_NAMES}",
    (
        "partition_by: 'id' says how several streams share the rows, and partitions is 1; give "
        "partitions=, or leave it out"
    ),
    (
        "parameters: the query uses :since, which was not given; "
        ":carrier, :until was given, but the query does not use it "
        "(given: :carrier, :data_interval_end, :data_interval_start, :run_date, :until); "
        "mend: the same names in the query and in parameters"
    ),
)


class Database(SimpleNamespace):
    """An Airflow connection, and its hook."""

    conn_type, host, schema, login = "postgres", "db", "sales", "etl"
    password, port, extra_dejson = "secret", 5432, {}

    def get_hook(self):
        return SimpleNamespace(get_conn=lambda: "connection")


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def extracted(monkeypatch, clients, database):
    """What ``extract_query`` was called with, and what it does."""
    call = SimpleNamespace(error=None)

    def extract_query(connection, connect, **given):
        call.connection, call.connect, call.given = connection, connect, given
        inspect.signature(real).bind(connection, connect, **given)
        if call.error:
            raise call.error
        files = [SimpleNamespace(key="flights/part-00000.parquet")]
        return SimpleNamespace(rows=3, size_bytes=100, files=files, attempt="0af1")

    real = query.extract_query
    monkeypatch.setattr(query, "extract_query", extract_query)
    monkeypatch.setattr(sql_extract, "get_connection", lambda conn_id: database)
    return call


def operator(**given):
    options = {
        "conn_id": "warehouse",
        "query": QUERY,
        "parameters": {"carrier": "UA"},
        "output": "s3://lake/flights/",
        **given,
    }
    return SqlExtractOperator(task_id="flights", **options)


def test_extracts_and_says_what(extracted, context, clients):
    assert operator().execute(context) == {
        "uri": "s3://lake/flights/",
        "rows": 3,
        "bytes": 100,
        "files": ["flights/part-00000.parquet"],
        "attempt": "0af1",
    }
    client = extracted.given.pop("client")
    assert extracted.connect() == "connection"
    assert extracted.connection.kind == "postgres"
    assert extracted.given == {
        "conn_id": "warehouse",
        "query": QUERY,
        "table": None,
        "parameters": {"carrier": "UA"},
        "defaults": {
            "run_date": "2026-11-22",
            "data_interval_start": "2026-11-22T00:00:00+00:00",
            "data_interval_end": "2026-11-22T00:00:00+00:00",
        },
        "columns": {},
        "partitions": 1,
        "partition_by": None,
        "watermark": None,
        "watermark_delay_seconds": 0,
        "on_drift": "fail",
        "checks": [],
        "memory_mb": 300,
        "history": None,
        "run_key": "20261122T000000",
        "output": "s3://lake/flights/",
        "on_empty": "continue",
        "kms_key_id": None,
    }
    assert client() is clients["s3"]


def test_every_option_arrives(extracted, context):
    options = {
        "partitions": 4,
        "partition_by": "id",
        "watermark": "at",
        "watermark_delay_seconds": 60,
        "on_drift": "evolve",
        "memory_mb": 500,
        "history": HISTORY,
        "run_key": "mine",
        "on_empty": "fail",
        "columns": {"id": "int64"},
    }
    checks = [RowCount(1), NotNull("id"), Unique("id"), {"check": "row_count", "maximum": 9}]
    operator(**options, checks=checks).execute(context)
    assert {name: extracted.given[name] for name in options} == options
    assert extracted.given["checks"] == [
        {"check": "row_count", "minimum": 1},
        {"check": "not_null", "columns": ["id"]},
        {"check": "unique", "columns": ["id"]},
        {"check": "row_count", "maximum": 9},
    ]


def test_json_text_may_stand_for_parameters_and_checks(extracted, context):
    checks = '[{"check": "row_count", "minimum": 5}]'
    operator(parameters='{"carrier": 7}', checks=checks).execute(context)
    assert extracted.given["parameters"] == {"carrier": 7}
    assert extracted.given["checks"] == [{"check": "row_count", "minimum": 5}]


def test_a_run_without_an_interval_is_known_by_its_id(extracted, context):
    context["dag_run"].data_interval_start = None
    operator(history=HISTORY).execute(context)
    assert extracted.given["run_key"].startswith("manual-")


def test_a_whole_table_needs_no_parameters(extracted, context):
    operator(query=None, parameters=None, table="flights").execute(context)
    assert (extracted.given["table"], extracted.given["parameters"]) == ("flights", {})


def test_dag_params_keep_their_type(extracted, context):
    task = operator(parameters={}, dag_params={"carrier": "carrier_number"})
    task.execute({**context, "params": {"carrier_number": 7}})
    assert extracted.given["parameters"] == {"carrier": 7}


@pytest.mark.parametrize("error", [AirflowException("Unknown hook type"), ImportError("snowflake")])
def test_a_connection_without_a_hook_may_do_without(extracted, context, database, error):
    def get_hook():
        raise error

    database.get_hook = get_hook
    operator().execute(context)
    assert extracted.connect is None


@pytest.mark.parametrize(
    ("on_empty", "raised"), [("skip", AirflowSkipException), ("fail", AirflowFailException)]
)
def test_no_rows_skip_or_fail(extracted, context, on_empty, raised):
    extracted.error = errors.NoRows("warehouse gave no rows")
    with pytest.raises(raised, match="warehouse gave no rows"):
        operator(on_empty=on_empty).execute(context)


@pytest.mark.parametrize("error", [errors.BadQuery, errors.SchemaDrift, errors.CheckFailed])
def test_what_no_retry_mends_fails_at_once(extracted, context, error):
    extracted.error = error("no such column")
    with pytest.raises(AirflowFailException, match="no such column"):
        operator().execute(context)


# An attempt may be superseded by one of this very try, which Airflow has given up.
@pytest.mark.parametrize("error", [errors.SourceUnavailable, errors.Superseded])
def test_what_a_retry_mends_is_tried_again(extracted, context, error):
    extracted.error = error("refused")
    with pytest.raises(AirflowException, match="refused") as caught:
        operator().execute(context)
    assert not isinstance(caught.value, AirflowFailException)


def test_a_task_that_is_killed_ends_where_it_is(extracted, context, monkeypatch):
    task = operator()
    went_on = []

    def extract_query(*_, **__):
        # Cleaning up, which may swallow what went wrong while doing it.
        with suppress(Exception):
            task.on_kill()
        went_on.append("published")

    monkeypatch.setattr(query, "extract_query", extract_query)
    with pytest.raises(AirflowException, match="was killed") as caught:
        task.execute(context)
    assert not isinstance(caught.value, AirflowFailException)
    assert went_on == []
    # Airflow calls it after a timeout, too, when there is nothing to end.
    task.on_kill()


def test_a_second_signal_does_not_disturb_the_end(extracted, context, monkeypatch):
    task = operator()
    closed = []

    def extract_query(*_, **__):
        try:
            task.on_kill()
        finally:
            task.on_kill()
            closed.append("connection")

    monkeypatch.setattr(query, "extract_query", extract_query)
    with pytest.raises(AirflowException, match="was killed"):
        task.execute(context)
    assert closed == ["connection"]


def test_the_configured_key_encrypts(extracted, context, monkeypatch):
    monkeypatch.setenv("AIRFLOW__AIRFLOW_ML_PROVIDER__KMS_KEY_ID", "key-1")
    operator().execute(context)
    assert extracted.given["kms_key_id"] == "key-1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"table": "t"}, "flights: query: give either query= or table="),
        ({"on_empty": "panic"}, "flights: on_empty 'panic' is none of continue, skip, fail"),
        (
            {"watermark": "id"},
            "flights: watermark: 'id' needs history='s3://<bucket>/<key>.json'",
        ),
        ({"partitions": 0}, "flights: partitions: 0 is no number of streams; give 1 or more"),
        (
            {"checks": [InRange("x")]},
            (
                "flights: checks: InRange(column='x', minimum=None, maximum=None): it has no "
                "bound; give minimum= or maximum="
            ),
        ),
        (
            {"checks": NotNull("x")},
            "flights: checks: NotNull('x') is no list; give checks=[...]",
        ),
        (
            {
                "conn_id": "my db",
                "columns": {"a": "decimal128"},
                "partition_by": "id",
                "query": "select :since",
                "dag_params": {"until": "day"},
            },
            "; ".join(f"flights: {problem}" for problem in NEVER_RUNS),
        ),
        ({"query": ""}, "flights: query: '' is no SQL; give query='select ...', or table="),
        (
            {"query": None, "table": "a..b"},
            (
                "flights: table: 'a..b' has an empty part; give 'table' or 'schema.table'; "
                "flights: parameters: carrier: a table takes none; leave them out, or give query="
            ),
        ),
        (
            {"on_drift": "x", "on_empty": "y"},
            (
                "flights: on_drift: 'x' must be 'fail', 'evolve' or 'ignore'; "
                "flights: on_empty 'y' is none of continue, skip, fail"
            ),
        ),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_built(given, said):
    with pytest.raises(ValueError, match="flights: ") as caught:
        operator(**given)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "given",
    [
        {"query": "select {{ params.sql }}"},
        {"query": "sql/flights.sql"},
        {"query": Mock()},
        {"query": None, "table": "{{ params.schema }}..t", "parameters": "{{ params.values }}"},
        {"query": None, "table": Mock(), "parameters": Mock()},
        {"query": "select :since", "parameters": "{{ params.values }}"},
        {"query": "select :since", "parameters": {}, "dag_params": {"since": "day"}},
    ],
)
def test_what_a_run_alone_knows_is_no_problem(given):
    assert operator(**given).task_id == "flights"


def test_its_defaults_are_those_of_a_pipeline():
    # The compiler leaves out what is as here.
    names = ("partitions", "partition_by", "watermark", "watermark_delay_seconds")
    names += ("on_drift", "checks", "memory_mb", "history")
    own = inspect.signature(SqlExtractOperator.__init__).parameters
    planned = {field.name: field.default for field in fields(Extract)}
    assert {name: own[name].default for name in names} == {name: planned[name] for name in names}
