from __future__ import annotations

import json
from base64 import b64encode
from enum import Enum
from importlib import import_module

import pytest

from airflow_ml_provider.extract.adbc.drivers import database
from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.errors import BadConnection

PEM = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


def options(kind, host="", **fields):
    found = database("wh", Connection(kind, host, **fields))
    assert not found.unmapped
    return found.options


def snowflake(password="hush", **extra):
    given = options("snowflake", login="u", password=password, extra={"account": "a", **extra})
    prefix = "adbc.snowflake.sql."
    return {name.removeprefix(prefix).removeprefix("client_option."): given[name] for name in given}


def test_a_type_without_a_driver():
    assert database("wh", Connection("oracle")) is None


def test_snowflake():
    extra = {
        "account": "ab12345",
        "warehouse": "W",
        "database": "D",
        "extra__snowflake__region": "eu-west-1",
        "role": "",
        "insecure_mode": False,
    }
    found = options("snowflake", login="u", password="hush", schema="S", extra=extra)
    assert found == {
        "adbc.snowflake.sql.account": "ab12345",
        "adbc.snowflake.sql.warehouse": "W",
        "adbc.snowflake.sql.db": "D",
        "adbc.snowflake.sql.region": "eu-west-1",
        "adbc.snowflake.sql.schema": "S",
        "adbc.snowflake.sql.client_option.tls_skip_verify": "false",
        "adbc.snowflake.sql.client_option.use_high_precision": "true",
        "adbc.snowflake.sql.client_option.login_timeout": "60s",
        "adbc.snowflake.sql.auth_type": "auth_snowflake",
        "username": "u",
        "password": "hush",
    }


def test_ways_to_log_in_to_snowflake(tmp_path):
    assert snowflake(authenticator="oauth", token="t")["auth_token"] == "t"
    assert snowflake(authenticator="programmatic_access_token")["auth_token"] == "hush"
    okta = snowflake(authenticator="https://x.okta.com")
    assert (okta["auth_type"], okta["okta_url"]) == ("auth_okta", "https://x.okta.com")
    path = tmp_path / "key.pem"
    path.write_text(PEM)
    keys = [
        snowflake(private_key_file=str(path)),
        snowflake(private_key_content=PEM),
        snowflake(private_key_content=b64encode(PEM.encode()).decode()),
    ]
    for key in keys:
        assert key["auth_type"] == "auth_jwt"
        assert key["jwt_private_key_pkcs8_value"] == PEM
        assert key["jwt_private_key_pkcs8_password"] == "hush"
        assert "password" not in key


@pytest.mark.parametrize(
    ("extra", "unmapped"),
    [
        ({"session_parameters": {"QUERY_TAG": "x"}}, ("session_parameters",)),
        ({"authenticator": "oauth", "refresh_token": "r", "token": "t"}, ("refresh_token",)),
        ({"authenticator": "kerberos"}, ("authenticator kerberos",)),
    ],
)
def test_what_snowflakes_driver_has_no_option_for_is_named(extra, unmapped):
    connection = Connection("snowflake", extra={"account": "a", **extra})
    assert database("wh", connection).unmapped == unmapped


def test_bigquery():
    key = {"type": "service_account", "project_id": "own"}
    prefix = "adbc.bigquery.sql."
    assert options("gcpbigquery", extra={"project": "p", "location": "EU", "num_retries": 5}) == {
        f"{prefix}project_id": "p",
        f"{prefix}location": "EU",
        f"{prefix}auth_type": f"{prefix}auth_type.auth_bigquery",
    }
    for given in (key, json.dumps(key)):
        found = options("google_cloud_platform", extra={"keyfile_dict": given})
        assert found[f"{prefix}project_id"] == "own"
        assert found[f"{prefix}auth_type"] == f"{prefix}auth_type.json_credential_string"
        assert json.loads(found[f"{prefix}auth_credentials"]) == key
    path = options("gcpbigquery", extra={"key_path": "/k.json", "project": "p"})
    assert path[f"{prefix}auth_type"] == f"{prefix}auth_type.json_credential_file"
    assert path[f"{prefix}auth_credentials"] == "/k.json"
    found = database(
        "wh", Connection("gcpbigquery", extra={"project": "p", "use_legacy_sql": True})
    )
    assert found.unmapped == ("use_legacy_sql",)
    assert found.backticks


def test_duckdb_reads_alone():
    assert options("duckdb", "/wh.duckdb") == {"path": "/wh.duckdb", "access_mode": "read_only"}
    assert options("duckdb", "md:wh") == {"path": "md:wh"}


def test_flight_sql():
    assert options("flightsql", "db", port=31337, login="u", password="hush") == {
        "uri": "grpc+tls://db:31337",
        "username": "u",
        "password": "hush",
    }
    extra = {"tls": "false", "token": "t", "adbc.flight.sql.client_option.authority": "x"}
    assert options("flightsql", "db", extra=extra) == {
        "uri": "grpc://db:443",
        "adbc.flight.sql.authorization_header": "Bearer t",
        "adbc.flight.sql.client_option.authority": "x",
    }


def test_adbc_as_its_hook_reads_it():
    extra = {
        "driver": "adbc_driver_flightsql",
        "db_kwargs": '{"adbc.flight.sql.client_option.tls_skip_verify": true}',
        "conn_kwargs": {"adbc.flight.sql.rpc.timeout_seconds.query": 5},
        "entrypoint": "Init",
        "what its hook passes over": 1,
    }
    found = database("wh", Connection("adbc", "grpc://db:1", login="u", extra=extra))
    assert (found.module, found.entrypoint) == ("adbc_driver_flightsql", "Init")
    assert found.requirement == "adbc-driver-flightsql"
    assert found.connection_options == {"adbc.flight.sql.rpc.timeout_seconds.query": "5"}
    assert found.options == {
        "uri": "grpc://db:1",
        "username": "u",
        "adbc.flight.sql.client_option.tls_skip_verify": "true",
    }
    extra = {"dialect": "postgresql"}
    fields = {"login": "u@x", "password": "p/w", "port": 5432, "schema": "wh"}
    assert options("adbc", "db", extra=extra, **fields) == {
        "uri": "postgresql://u%40x:p%2Fw@db:5432/wh"
    }


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        (Connection("snowflake"), "its extra has no account"),
        (
            Connection("snowflake", extra={"account": "a", "private_key_file": "/nope"}),
            "its private key can't be read",
        ),
        (
            Connection("snowflake", extra={"account": "a", "private_key_content": "hush!"}),
            "its private key can't be read",
        ),
        (Connection("gcpbigquery"), "its extra has no project"),
        (
            Connection("gcpbigquery", extra={"keyfile_dict": "hush"}),
            "its extra keyfile_dict is no JSON",
        ),
        (Connection("duckdb"), "its host, the path of the database, is empty"),
        (Connection("adbc"), "its extra names no driver"),
        (
            Connection("adbc", extra={"driver": "x", "db_kwargs": "hush"}),
            "its extra db_kwargs is no JSON object",
        ),
    ],
)
def test_what_is_missing_is_said_without_secrets(connection, message):
    with pytest.raises(BadConnection, match=f"^connection 'wh': {message}") as error:
        database("wh", connection)
    assert "hush" not in str(error.value)


def test_secrets_are_not_shown():
    shown = repr(database("wh", Connection("snowflake", password="hush", extra={"account": "a"})))
    assert "hush" not in shown


def test_options_are_those_of_the_installed_drivers():
    key = snowflake(private_key_content=PEM)
    given = {f"adbc.snowflake.sql.client_option.{n}" for n in key if n.startswith("jwt")}
    every = dict.fromkeys(("host", "port", "protocol", "role", "application"), "x")
    flags = ("client_request_mfa_token", "client_store_temporary_credential", "ocsp_fail_open")
    every |= dict.fromkeys(flags, True)
    given |= set(options("snowflake", login="u", schema="s", extra={"account": "a", **every}))
    extra = {"project": "p", "location": "EU", "key_path": "/k"}
    bigquery = options("gcpbigquery", schema="d", extra=extra)
    flight = options("flightsql", "db", extra={"token": "t"})
    for module, names in (
        ("adbc_driver_snowflake", given),
        ("adbc_driver_bigquery", {*bigquery, bigquery["adbc.bigquery.sql.auth_type"]}),
        ("adbc_driver_flightsql", set(flight)),
    ):
        members = vars(import_module(module)).values()
        kinds = [kind for kind in members if isinstance(kind, type) and issubclass(kind, Enum)]
        known = {option.value for kind in kinds for option in kind}
        assert {name for name in names if "." in name} <= known
