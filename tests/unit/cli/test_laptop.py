from __future__ import annotations

import argparse
import json
import os

import pytest

from airflow_ml_provider.cli import laptop
from airflow_ml_provider.local.server import LocalAws


@pytest.fixture
def parse():
    parser = argparse.ArgumentParser()
    laptop.add_arguments(parser)
    return lambda *arguments: parser.parse_args([*map(str, arguments)])


def test_settings_lead_to_the_local_aws_and_nowhere_else(parse, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "intranet")
    file = tmp_path / "warehouse.db"
    file.touch()
    args = parse("--dags", tmp_path, "--home", tmp_path / "home", "--sqlite", f"flights={file}")

    found = laptop.settings(args, "http://127.0.0.1:1", "airflow-ui")

    home = tmp_path / "home" / "airflow-ui"
    assert found["AIRFLOW_HOME"] == str(home)
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{home}/airflow.db"
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert found["AWS_CONFIG_FILE"] == os.devnull
    assert found["NO_PROXY"] == found["no_proxy"] == "intranet,127.0.0.1,localhost"
    connection = {"conn_type": "sqlite", "host": str(file)}
    assert json.loads(found["AIRFLOW_CONN_FLIGHTS"]) == connection


def test_a_process_forgets_the_settings_of_its_user(monkeypatch):
    given = {"AWS_PROFILE": "work", "AIRFLOW_CONFIG": "mine.cfg", "AIRFLOW__CORE__PARALLELISM": "1"}
    kept = {"AWS_CA_BUNDLE": "ca.pem", "AIRFLOW_CONN_LAKE": "postgresql://"}
    monkeypatch.setattr(os, "environ", {**given, **kept})

    laptop.enter({"AWS_REGION": "us-east-1"})

    assert os.environ == {**kept, "AWS_REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--dags", "nowhere"], "'nowhere' is no folder"),
        (["--sqlite", "warehouse"], "'warehouse' must be CONN_ID=FILE"),
        (["--sqlite", "warehouse=nothing.db"], "with a SQLite file that is there"),
    ],
)
def test_a_wrong_option_is_named(parse, tmp_path, capsys, arguments, problem):
    with pytest.raises(SystemExit):
        parse("--dags", tmp_path, *arguments)
    assert problem in capsys.readouterr().err


def test_the_account_has_the_buckets_the_topics_and_the_secrets(tmp_path, monkeypatch):
    with LocalAws(state_dir=tmp_path) as aws:
        laptop.prepare_account(aws.endpoint_url, ["lake"], ["team"])
        buckets = laptop.client("s3", aws.endpoint_url).list_buckets()["Buckets"]
        topics = laptop.client("sns", aws.endpoint_url).list_topics()["Topics"]

        assert [bucket["Name"] for bucket in buckets] == ["airflow-ml", "lake"]
        assert [topic["TopicArn"].rpartition(":")[2] for topic in topics] == ["team"]

        secrets = laptop.client("secretsmanager", aws.endpoint_url)
        monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgres://etl:p%40ss@db/shop")
        monkeypatch.setenv("AIRFLOW_CONN_NOT_ASKED_FOR", "postgres://x")
        monkeypatch.setenv("AIRFLOW_CONN_EMPTY", "")
        assert laptop.keep_secrets(secrets, ["Shop", "nobody", "empty"]) == ["empty", "nobody"]
        kept = secrets.get_secret_value(SecretId="airflow/connections/Shop")
        assert kept["SecretString"] == "postgres://etl:p%40ss@db/shop"
        assert len(secrets.list_secrets()["SecretList"]) == 1

        laptop.client("s3", aws.endpoint_url).put_object(Bucket="lake", Key="a/b", Body=b"c")
        assert laptop.keep_objects(aws.endpoint_url, tmp_path / "s3") == 1
    assert (tmp_path / "s3/lake/a/b").read_bytes() == b"c"
