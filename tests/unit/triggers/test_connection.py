from __future__ import annotations

import json

import pytest

from airflow_ml_provider.triggers.connection import AwsConnection


@pytest.fixture(autouse=True)
def lake(monkeypatch):
    def configure(**extra):
        connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))

    configure(region_name="eu-central-1")
    return configure


def test_the_region_is_the_connections_unless_one_is_given():
    assert AwsConnection("lake").client("s3").meta.region_name == "eu-central-1"
    assert AwsConnection("lake", "us-west-2").client("s3").meta.region_name == "us-west-2"


def test_retries_and_timeouts_are_ours_unless_the_connection_has_some(lake):
    ours = AwsConnection("lake").client("s3").meta.config
    assert (ours.connect_timeout, ours.retries["mode"]) == (10, "standard")
    assert "airflow-ml-provider/" in ours.user_agent_extra
    lake(region_name="eu-central-1", config_kwargs={"connect_timeout": 3})
    theirs = AwsConnection("lake").client("s3").meta.config
    assert (theirs.connect_timeout, theirs.retries["mode"]) == (3, "standard")


def test_without_a_connection_the_environment_counts(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert AwsConnection(None).client("s3").meta.region_name == "eu-west-1"


def test_a_client_may_be_told_to_make_each_call_once(lake):
    lake(region_name="eu-central-1", config_kwargs={"retries": {"total_max_attempts": 7}})
    for repeats, attempts in ((True, 7), (False, 1)):
        config = AwsConnection("lake").client("glue", repeats=repeats).meta.config
        assert config.retries["total_max_attempts"] == attempts


def test_clients_share_what_botocore_knows_of_services_and_nothing_else():
    one, other = (AwsConnection("lake").client("s3") for _ in range(2))
    assert one._loader is other._loader
    assert one._request_signer._credentials is not other._request_signer._credentials
