from __future__ import annotations

import sqlite3

import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.extract.errors import BadQuery, CheckFailed, NoRows
from airflow_ml_provider.extract.publish.manifest import read_manifest
from airflow_ml_provider.worker import sql_extract
from airflow_ml_provider.worker.errors import StepError

URI = "s3://lake/flights/"
HISTORY = "s3://lake/_history/flights.json"


@pytest.fixture
def connect(connect, tmp_path):
    path = tmp_path / "warehouse.db"
    database = sqlite3.connect(path)
    with database:
        database.execute("create table flights (carrier text, delay integer)")
        database.execute("insert into flights values ('UA', 12)")
    database.close()
    bucket = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    connect("s3").create_bucket(Bucket="lake", **bucket)
    connect("secretsmanager").create_secret(
        Name="airflow/connections/warehouse", SecretString=f"sqlite:///{path}"
    )
    return connect


NO_UA = {"check": "in_range", "column": "carrier", "minimum": "V"}


def work(**fields):
    return {
        "conn_id": "warehouse",
        "query": "select * from flights where delay > :delay",
        "table": None,
        "parameters": {"delay": 10},
        "defaults": {"run_date": "2013-08-29"},
        "columns": {},
        "partitions": 1,
        "partition_by": None,
        "watermark": None,
        "watermark_delay_seconds": 0,
        "on_drift": "fail",
        "checks": [],
        "memory_mb": 300,
        "history": HISTORY,
        "run_key": "20130829T000000",
        "output": URI,
        "on_empty": "continue",
        "kms_key_id": None,
        "requirements": [],
        **fields,
    }


def test_rows_are_extracted(connect):
    assert sql_extract.run(work(), connect).startswith("1 rows, ")
    assert read_manifest(connect("s3"), URI).rows == 1


def test_checks_and_a_watermark_are_kept(connect):
    rows = work(query=None, table="flights", parameters={}, watermark="delay")
    with pytest.raises(CheckFailed, match="carrier"):
        sql_extract.run({**rows, "checks": [NO_UA]}, connect)
    assert sql_extract.run(rows, connect).startswith("1 rows, ")
    again = {**rows, "columns": {"carrier": "string", "delay": "int64"}}
    assert sql_extract.run(again, connect).startswith("1 rows, ")
    assert sql_extract.run({**again, "run_key": "next"}, connect).startswith("0 rows, ")


def test_packages_are_installed_first(connect, monkeypatch):
    installed = []
    monkeypatch.setattr(sql_extract, "install", installed.append)
    sql_extract.run(work(requirements=["psycopg2-binary"]), connect)
    assert installed == [["psycopg2-binary"]]


def test_no_rows_are_as_good_as_on_empty_says(connect):
    empty = work(parameters={"delay": 100}, columns={"carrier": "string", "delay": "int64"})
    assert sql_extract.run(empty, connect).startswith("0 rows, ")
    with pytest.raises(NoRows, match="gave no rows"):
        sql_extract.run({**empty, "on_empty": "fail"}, connect)


def test_a_bad_query_is_named(connect):
    with pytest.raises(BadQuery, match="no such table: trains"):
        sql_extract.run(work(query=None, table="trains", parameters={}), connect)


def test_a_missing_secret_is_named(connect):
    with pytest.raises(StepError, match="has no secret airflow/connections/lake; create it"):
        sql_extract.run(work(conn_id="lake"), connect)


def test_a_binary_secret_is_refused(connect):
    connect("secretsmanager").create_secret(Name="airflow/connections/lake", SecretBinary=b"x")
    with pytest.raises(StepError, match="secret airflow/connections/lake is binary"):
        sql_extract.run(work(conn_id="lake"), connect)


def test_other_errors_of_secrets_manager_are_raised(connect):
    manager = connect("secretsmanager")
    manager.delete_secret(SecretId="airflow/connections/warehouse")
    with pytest.raises(ClientError, match="InvalidRequestException"):
        sql_extract.run(work(), connect)
