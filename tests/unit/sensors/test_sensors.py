from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from airflow_ml_provider._compat import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_ml_provider.jobs import registry
from airflow_ml_provider.jobs.state import JobState, Phase
from airflow_ml_provider.sensors import watch
from airflow_ml_provider.sensors.dataset import DatasetSensor
from airflow_ml_provider.sensors.metric import MetricSensor
from airflow_ml_provider.sensors.model_approval import ModelApprovalSensor
from airflow_ml_provider.triggers.connection import AwsConnection

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:
    from airflow.exceptions import TaskDeferred


@pytest.fixture
def answer(monkeypatch):
    """What AWS says of the dataset."""
    said = SimpleNamespace(phase=Phase.RUNNING)

    def state(client, job_id):
        return JobState(job_id, said.phase, "Said", reason="so", result={"uri": job_id})

    fake = SimpleNamespace(service="s3", state=state)
    monkeypatch.setitem(registry.WATCHABLES, "dataset_published", fake)
    monkeypatch.setattr(AwsConnection, "client", lambda self, service: service)
    return said


def sensor(**fields):
    options = {"deferrable": True, "timeout": 60, **fields}
    return DatasetSensor(task_id="there", uri="s3://lake/flights/", **options)


def test_what_is_there_is_answered_at_once(answer):
    answer.phase = Phase.SUCCEEDED
    assert sensor().execute({}) == {"uri": "s3://lake/flights/"}
    assert sensor(deferrable=False).execute({}) == {"uri": "s3://lake/flights/"}


def test_defers_until_its_timeout_and_stops_nothing(answer):
    with pytest.raises(TaskDeferred) as caught:
        sensor(poll_seconds=5).execute({})
    path, arguments = caught.value.trigger.serialize()
    assert path == "airflow_ml_provider.triggers.remote_job.RemoteJobTrigger"
    assert arguments["kind"] == "dataset_published"
    assert arguments["job_id"] == "s3://lake/flights/"
    assert arguments["stop_on_kill"] is False
    assert 50 < arguments["deadline"] - time.time() <= 60


def test_resuming_looks_again_and_not_at_the_event(answer):
    event = {"deadline": time.time() + 60, "phase": "succeeded"}
    with pytest.raises(TaskDeferred):
        sensor().resume({}, event)
    answer.phase = Phase.SUCCEEDED
    assert sensor().resume({}, event)


def test_times_out(answer):
    with pytest.raises(AirflowSensorTimeout, match="waited 60 s in vain"):
        sensor().resume({}, {"deadline": time.time() - 1})


def test_what_can_never_come_fails_or_skips(answer):
    answer.phase = Phase.FAILED
    with pytest.raises(AirflowException, match="dataset_published Said: so"):
        sensor().execute({})
    with pytest.raises(AirflowSkipException):
        sensor(soft_fail=True).execute({})


def test_without_an_answer_it_defers_if_a_triggerer_lives(answer, monkeypatch):
    monkeypatch.setattr(watch, "deferrable_by_default", lambda: True)
    with pytest.raises(TaskDeferred):
        sensor(deferrable=None).execute({})


def test_each_sensor_says_what_it_waits_for():
    approval = ModelApprovalSensor(task_id="a", group="flights")
    assert json.loads(approval.watched_id()) == {"group": "flights", "wanted": ["Approved"]}
    metric = MetricSensor(task_id="m", report="s3://l/r.json", metric=["auc"], op=">=", value="0.7")
    assert json.loads(metric.watched_id())["value"] == 0.7
    for one in (approval, metric, sensor()):
        assert one.watchable_name in registry.WATCHABLES
