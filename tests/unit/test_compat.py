from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from types import SimpleNamespace

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_ml_provider import _compat
from airflow_ml_provider.pipeline import Account

SECTION = "AIRFLOW__AIRFLOW_ML_PROVIDER__"
on_sdk = pytest.mark.skipif(not _compat._HAS_SDK, reason="the API server came with Airflow 3")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(_compat, "_seen", None)


@pytest.fixture
def api_server(monkeypatch):
    """An API server that answers what ``body`` holds."""
    said = SimpleNamespace(body=b"", paths=[])

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            said.paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    said.url = f"http://127.0.0.1:{server.server_port}"
    yield said
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_account_comes_from_the_configuration(monkeypatch):
    monkeypatch.setenv(f"{SECTION}ROLE_ARN", "arn:role")
    monkeypatch.setenv(f"{SECTION}ROOT", "s3://lake/ml")
    monkeypatch.setenv(f"{SECTION}KMS_KEY_ID", "key")
    monkeypatch.setenv(f"{SECTION}SUBNETS", "subnet-1, subnet-2,")
    monkeypatch.setenv(f"{SECTION}SECURITY_GROUP_IDS", "sg-1")
    monkeypatch.setenv(f"{SECTION}TAGS", '{"team": "ml", "cost": 7}')
    assert _compat.account() == Account(
        role_arn="arn:role",
        root="s3://lake/ml",
        kms_key_id="key",
        subnets=("subnet-1", "subnet-2"),
        security_group_ids=("sg-1",),
        tags={"team": "ml", "cost": "7"},
    )


def test_an_unconfigured_account_is_empty():
    assert _compat.account() == Account()


@pytest.mark.parametrize("tags", ['["team"]', "team=ml"])
def test_tags_that_are_no_object_are_refused(monkeypatch, tags):
    monkeypatch.setenv(f"{SECTION}TAGS", tags)
    with pytest.raises(ValueError, match="tags"):
        _compat.account()


@pytest.mark.parametrize(("status", "alive"), [("healthy", True), ("unhealthy", False)])
def test_the_triggerer_is_asked_for_once_a_minute(monkeypatch, status, alive):
    asked = []

    def health():
        asked.append(1)
        return {"triggerer": {"status": status}}

    monkeypatch.setattr(_compat, "_health", health)
    assert _compat.triggerer_is_alive() is alive
    assert _compat.triggerer_is_alive() is alive
    assert len(asked) == 1


def test_an_explicit_default_wins(monkeypatch):
    monkeypatch.setattr(_compat, "_health", dict)
    assert not _compat.deferrable_by_default()
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
    assert _compat.deferrable_by_default()


@on_sdk
@pytest.mark.parametrize(
    ("option", "suffix", "path"),
    [
        ("CORE__EXECUTION_API_SERVER_URL", "/deep/execution/", "/deep/api/v2/monitor/health"),
        ("API__BASE_URL", "/", "/api/v2/monitor/health"),
    ],
)
def test_the_api_servers_health_page_is_read(monkeypatch, api_server, option, suffix, path):
    monkeypatch.setenv(f"AIRFLOW__{option}", f"{api_server.url}{suffix}")
    api_server.body = json.dumps({"triggerer": {"status": "healthy"}}).encode()
    assert _compat.triggerer_is_alive()
    assert api_server.paths == [path]


@on_sdk
@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_something_else_that_answers_is_no_triggerer(monkeypatch, api_server, body):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", api_server.url)
    api_server.body = body
    assert not _compat.triggerer_is_alive()


@on_sdk
def test_an_api_server_that_is_not_there_is_no_triggerer(monkeypatch, api_server):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:1")
    assert not _compat.triggerer_is_alive()


def test_a_connection_is_found(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", "aws://?region_name=eu-central-1")
    assert _compat.get_connection("lake").extra_dejson == {"region_name": "eu-central-1"}


def test_a_timeout_is_told_from_a_broken_trigger():
    assert _compat.timed_out(_compat.TaskDeferralTimeout("Trigger/execution timeout"))
    assert not _compat.timed_out(_compat.AirflowException("Trigger failure"))


@pytest.mark.parametrize(
    ("state", "left"),
    [("deferred", False), ("failed", True), (None, True), ("", True), (ConnectionError(), False)],
)
def test_a_task_that_left_its_trigger_is_known(monkeypatch, state, left):
    def state_of(_):
        if isinstance(state, Exception):
            raise state
        return str(state)

    monkeypatch.setattr(_compat, "_state_of", state_of)
    trigger = SimpleNamespace(task_instance="ti")
    assert asyncio.run(_compat.task_left_trigger(trigger)) is left


@pytest.mark.parametrize("kills", [True, False])
def test_an_airflow_that_kills_triggers_is_known(monkeypatch, kills):
    if kills:
        monkeypatch.setattr(BaseTrigger, "on_kill", None, raising=False)
    else:
        monkeypatch.delattr(BaseTrigger, "on_kill", raising=False)
    assert _compat.kills_triggers() is kills


def test_whether_deferred_tasks_count_is_what_the_scheduler_says():
    states = import_module("airflow.ti_deps.dependencies_states")
    active = getattr(states, "ACTIVE_STATES", states.EXECUTION_STATES)
    assert _compat.counts_deferred() is ("deferred" in active)


def test_outside_of_a_task_there_is_no_current_one():
    assert _compat.current_task() is None


def tried(state, *, number=1):
    """Ask for a task that has one retry and is in a state; an error: Airflow can't be asked."""
    ti = SimpleNamespace(try_number=number, max_tries=1)

    def state_of(asked):
        assert asked is ti
        if isinstance(state, Exception):
            raise state
        return state

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_compat, "_state_of", state_of)
        return _compat.is_tried_again(ti)


@pytest.mark.parametrize("state", ["up_for_retry", "queued", "running", "deferred", OSError()])
def test_a_try_that_airflow_lost_is_followed_by_another(state):
    assert tried(state)


@pytest.mark.parametrize("state", ["failed", "success", "skipped", "restarting", "removed", ""])
def test_a_task_that_somebody_decided_about_is_not_tried_again(state):
    assert not tried(state)


def test_the_last_try_is_followed_by_none():
    assert not tried("running", number=2)


def test_a_task_whose_time_is_over_is_stopped_though_it_still_runs():
    try:
        raise _compat.AirflowTaskTimeout  # noqa: TRY301 - what Airflow does
    except _compat.AirflowTaskTimeout:
        assert not tried("running")


def test_an_answer_that_does_not_come_is_not_waited_for(monkeypatch):
    asked = threading.Event()
    monkeypatch.setattr(_compat, "_HURRIED_SECONDS", 0.01)
    monkeypatch.setattr(_compat, "_state_of", lambda _: asked.wait(10))
    assert _compat.is_tried_again(SimpleNamespace(try_number=1, max_tries=1))
    asked.set()
