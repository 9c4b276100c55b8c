from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_ml_provider._compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)
from airflow_ml_provider.extract import errors, extraction
from airflow_ml_provider.operators import sql_extract
from airflow_ml_provider.operators.sql_extract import SqlExtractOperator

QUERY = "select * from flights where day >= :data_interval_start and carrier = :carrier"


@pytest.fixture
def extracted(monkeypatch, clients):
    """What ``extract`` was called with, and what it does."""
    call = SimpleNamespace(rows=3, error=None)

    def extract(source, uri, *, client, options):
        call.source, call.uri, call.options = source, uri, options
        if call.error:
            raise call.error
        files = [SimpleNamespace(key="flights/part-00000.parquet")]
        return SimpleNamespace(rows=call.rows, size_bytes=100, files=files)

    hook = SimpleNamespace(get_conn=lambda: "connection")
    monkeypatch.setattr(extraction, "extract", extract)
    monkeypatch.setattr(
        sql_extract, "get_connection", lambda conn_id: SimpleNamespace(get_hook=lambda: hook)
    )
    return call


def operator(**fields):
    options = {
        "conn_id": "warehouse",
        "query": QUERY,
        "parameters": {"carrier": "UA", "run_date": "2000-01-01"},
        "output": "s3://lake/flights/",
        **fields,
    }
    return SqlExtractOperator(task_id="flights", **options)


def test_extracts_and_says_what(extracted, context):
    assert operator().execute(context) == {
        "uri": "s3://lake/flights/",
        "rows": 3,
        "bytes": 100,
        "files": ["flights/part-00000.parquet"],
    }
    assert extracted.source.connect() == "connection"
    assert extracted.source.query == QUERY


def test_what_the_run_brings_need_not_be_used_and_gives_way(extracted, context):
    operator().execute(context)
    assert extracted.source.parameters == {"carrier": "UA"}
    assert extracted.source.defaults == {
        "run_date": "2000-01-01",
        "data_interval_start": "2026-11-22T00:00:00+00:00",
        "data_interval_end": "2026-11-22T00:00:00+00:00",
    }


def test_a_whole_table_needs_no_parameters(extracted, context):
    operator(query=None, parameters=None, table="flights").execute(context)
    assert extracted.source.table == "flights"


def test_dag_params_keep_their_type(extracted, context):
    task = operator(parameters={}, dag_params={"carrier": "carrier_number"})
    task.execute({**context, "params": {"carrier_number": 7}})
    assert extracted.source.parameters == {"carrier": 7}


@pytest.mark.parametrize(
    ("on_empty", "raised", "words"),
    [
        ("skip", AirflowSkipException, "gave no rows"),
        ("fail", AirflowFailException, "gave no rows"),
        ("continue", AirflowFailException, "There are no rows, and a is NULL"),
    ],
)
def test_no_rows_and_no_types(extracted, context, on_empty, raised, words):
    extracted.error = errors.EmptyResult("a is NULL")
    with pytest.raises(raised, match=words):
        operator(on_empty=on_empty).execute(context)


@pytest.mark.parametrize(
    ("on_empty", "raised"), [("skip", AirflowSkipException), ("fail", AirflowFailException)]
)
def test_no_rows_skip_or_fail(extracted, context, on_empty, raised):
    extracted.rows = 0
    with pytest.raises(raised, match="warehouse gave no rows"):
        operator(on_empty=on_empty).execute(context)


def test_no_rows_may_go_on(extracted, context):
    extracted.rows = 0
    assert operator().execute(context)["rows"] == 0


def test_a_lost_database_is_tried_again_and_a_bad_query_is_not(extracted, context):
    extracted.error = errors.BadQuery("no such column")
    with pytest.raises(AirflowFailException, match="no such column"):
        operator().execute(context)
    extracted.error = errors.SourceUnavailable("refused")
    with pytest.raises(AirflowException, match="refused") as caught:
        operator().execute(context)
    assert not isinstance(caught.value, AirflowFailException)


def test_the_configured_key_encrypts(extracted, context, monkeypatch):
    monkeypatch.setenv("AIRFLOW__AIRFLOW_ML_PROVIDER__KMS_KEY_ID", "key-1")
    operator().execute(context)
    assert extracted.options == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"table": "t"}, "either query= or table="), ({"on_empty": "panic"}, "'panic' is none of")],
)
def test_bad_arguments_are_refused_when_the_dag_is_built(fields, said):
    with pytest.raises(ValueError, match=said):
        operator(**fields)
