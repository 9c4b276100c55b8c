from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_ml_provider.extract import extraction
from airflow_ml_provider.extract.errors import EmptyResult, NoRows
from airflow_ml_provider.extract.query import extract_query


@pytest.fixture
def extracted(monkeypatch):
    """What ``extract`` was called with, and what it does."""
    call = SimpleNamespace(rows=3, error=None)

    def extract(source, uri, *, client, options):
        call.source, call.options = source, options
        if call.error:
            raise call.error
        return SimpleNamespace(rows=call.rows)

    monkeypatch.setattr(extraction, "extract", extract)
    return call


def run(**fields):
    options = {
        "conn_id": "warehouse",
        "query": "select :carrier",
        "table": None,
        "parameters": {"carrier": "UA", "run_date": "2000-01-01"},
        "defaults": {"run_date": "2013-08-29", "data_interval_end": "2013-08-30"},
        "columns": {"carrier": "string"},
        "output": "s3://lake/flights/",
        "on_empty": "continue",
        "kms_key_id": None,
        "client": None,
        **fields,
    }
    return extract_query(lambda: "connection", **options)


def test_what_the_run_brings_need_not_be_used_and_gives_way(extracted):
    assert run().rows == 3
    source = extracted.source
    assert (source.name, source.query, source.table) == ("warehouse", "select :carrier", None)
    assert source.connect() == "connection"
    assert source.parameters == {"carrier": "UA"}
    assert source.defaults == {"run_date": "2000-01-01", "data_interval_end": "2013-08-30"}
    assert source.columns == {"carrier": "string"}


def test_a_key_encrypts(extracted):
    run()
    assert extracted.options is None
    run(kms_key_id="alias/ml")
    assert extracted.options == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/ml"}


def test_no_rows_may_go_on(extracted, caplog):
    extracted.rows = 0
    assert run().rows == 0
    said = "warehouse gave no rows (on_empty='continue'): an empty dataset was published."
    assert said in caplog.text
    extracted.error = EmptyResult("a is NULL")
    with pytest.raises(EmptyResult, match="There are no rows, and a is NULL"):
        run()


@pytest.mark.parametrize("error", [None, EmptyResult("a is NULL")])
@pytest.mark.parametrize("on_empty", ["skip", "fail"])
def test_no_rows_where_there_have_to_be_some(extracted, error, on_empty):
    extracted.rows, extracted.error = 0, error
    with pytest.raises(NoRows, match=rf"^warehouse gave no rows \(on_empty='{on_empty}'\)$"):
        run(on_empty=on_empty)
