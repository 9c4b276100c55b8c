"""From each database to Parquet on S3; a late bad value leaves what was there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from io import BytesIO
from urllib.parse import quote

import boto3
import duckdb
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from airflow_ml_provider._compat import get_connection
from airflow_ml_provider.extract.connect import Connection, connector, from_airflow
from airflow_ml_provider.extract.errors import BadQuery, TypeMismatch
from airflow_ml_provider.extract.extraction import extract
from airflow_ml_provider.extract.selection import Selection
from airflow_ml_provider.extract.sources import hook_connect, source_for

ROWS = 30_000
DAY = date(2013, 1, 1)


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="lake")
        yield client


@pytest.fixture
def databases(run, mariadb, tmp_path):
    """Three databases with the same table of text; give their connections."""
    run(
        "create table t (i int, d varchar(10))",
        f"insert into t select seq, '{DAY}' from seq_1_to_{ROWS}",
    )
    rows = [(i, str(DAY)) for i in range(1, ROWS + 1)]
    with closing(sqlite3.connect(tmp_path / "wh.db")) as connection:
        connection.execute("create table t (i, d)")
        connection.executemany("insert into t values (?, ?)", rows)
        connection.commit()
    with duckdb.connect(str(tmp_path / "wh.duckdb")) as connection:
        connection.execute(
            f"create table t as select range + 1 as i, '{DAY}' as d from range({ROWS})"
        )
    socket = {"unix_socket": mariadb["unix_socket"]}
    return {
        "mysql": Connection("mysql", login="root", schema=mariadb["database"], extra=socket),
        "sqlite": Connection("sqlite", str(tmp_path / "wh.db")),
        "duckdb": Connection("duckdb", str(tmp_path / "wh.duckdb")),
    }


@pytest.mark.parametrize("kind", ["mysql", "sqlite", "duckdb"])
def test_rows_are_published_whole_or_not_at_all(s3, databases, kind):
    connection = databases[kind]

    def publish(query):
        selection = Selection("wh", query, columns={"d": "date32"})
        source = source_for(connection, connector("wh", connection), selection)
        return extract(source, "s3://lake/t/", client=lambda: s3)

    def keys():
        return sorted(item["Key"] for item in s3.list_objects_v2(Bucket="lake").get("Contents", ()))

    late = f"select i, case when i = {ROWS} then 'never' else d end as d from t"
    with pytest.raises((TypeMismatch, BadQuery), match=r"^wh: .*never"):
        publish(late)
    assert keys() == []
    assert publish("select i, d from t order by i").rows == ROWS
    before = keys()
    with pytest.raises((TypeMismatch, BadQuery), match=r"^wh: .*never"):
        publish(late)
    assert keys() == before
    body = s3.get_object(Bucket="lake", Key="t/part-00000.parquet")["Body"].read()
    table = pq.read_table(BytesIO(body))
    assert table["i"].to_pylist() == list(range(1, ROWS + 1))
    assert table["d"].unique().to_pylist() == [DAY]
    assert not s3.list_multipart_uploads(Bucket="lake").get("Uploads")


def test_the_connection_of_an_airflow_hook(s3, databases, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WH", f"sqlite://{quote(databases['sqlite'].host)}")
    airflow = get_connection("wh")
    connect = hook_connect(airflow.get_hook())
    source = source_for(from_airflow(airflow), connect, Selection("wh", table="t"))
    assert extract(source, "s3://lake/t/", client=lambda: s3).rows == ROWS
