from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from types import SimpleNamespace

import pytest

from airflow_ml_provider.jobs import registry
from airflow_ml_provider.jobs.state import JobState, Phase
from airflow_ml_provider.triggers import remote_job
from airflow_ml_provider.triggers.connection import AwsConnection
from airflow_ml_provider.triggers.remote_job import RemoteJobTrigger

BEGAN = time.time() - 3600


@pytest.fixture
def kind(monkeypatch):
    fake = SimpleNamespace(name="fake", service="fake", stopped=[], clients=[])
    fake.answer = JobState("job", Phase.SUCCEEDED, "Completed")

    def state(client, job_id):
        fake.clients.append(client)
        if isinstance(fake.answer, Exception):
            raise fake.answer
        return fake.answer

    fake.state = state
    fake.states = lambda client, job_ids, since: {}
    fake.stop = lambda client, job_id: fake.stopped.append((client, job_id))
    monkeypatch.setattr(remote_job, "_QUIET_SECONDS", 0.0)
    monkeypatch.setitem(registry.KINDS, "fake", fake)
    monkeypatch.setitem(registry.WATCHABLES, "fake", fake)
    monkeypatch.setattr(
        AwsConnection, "client", lambda self, service, repeats=True: (self, service)
    )
    return fake


def trigger(**fields):
    options = {"deadline": time.time() + 60, "began": BEGAN, "poll_seconds": 0.01, **fields}
    return RemoteJobTrigger(kind="fake", job_id="job", **options)


async def first(waiting):
    events = [event.payload async for event in waiting.run()]
    assert [event.pop("deadline") for event in events] == [waiting.deadline]
    assert [event.pop("began") for event in events] == [waiting.began]
    return events


def test_its_serialised_form_makes_it_again():
    made = trigger(
        aws_conn_id="other",
        region_name="eu-west-1",
        stop_on_kill=False,
        logs=[("/aws/fake", "job/")],
        log_lines=10,
        log_read_until=BEGAN + 60,
    )
    path, arguments = made.serialize()
    assert path == "airflow_ml_provider.triggers.remote_job.RemoteJobTrigger"
    assert RemoteJobTrigger(**arguments).serialize() == (path, arguments)


def test_fires_once_when_the_job_is_final(kind):
    events = asyncio.run(first(trigger(aws_conn_id="mine", region_name="eu-west-1")))
    assert events == [{"job_id": "job", "phase": "succeeded", "log_read_until": BEGAN}]
    assert kind.clients == [(AwsConnection("mine", "eu-west-1"), "fake")]


def test_it_never_fires_right_after_the_task_has_deferred(kind, monkeypatch):
    monkeypatch.setattr(remote_job, "_QUIET_SECONDS", 0.3)
    began = time.monotonic()
    asyncio.run(first(trigger()))
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("trouble", [PermissionError("no"), JobState("job", Phase.RUNNING, "Runs")])
def test_an_error_and_a_passed_deadline_wake_the_task_too(kind, trouble):
    kind.answer = trouble
    events = asyncio.run(first(trigger(deadline=time.time() + 0.1)))
    assert events == [{"job_id": "job", "phase": "unknown", "log_read_until": BEGAN}]
    assert not kind.stopped


@pytest.fixture
def leaves(monkeypatch):
    """Let the task wait for the trigger no more, or still; its answer takes a moment."""

    def set_left(left, *, kills=True):
        async def task_left(_):
            await asyncio.sleep(0.01)
            return left

        monkeypatch.setattr(remote_job, "task_left_trigger", task_left)
        monkeypatch.setattr(remote_job, "kills_triggers", lambda: kills)

    return set_left


@pytest.mark.parametrize(
    ("stop", "left", "stopped"), [(True, True, 1), (False, True, 0), (True, False, 0)]
)
def test_on_kill_stops_the_job_of_a_task_that_waits_no_more(kind, leaves, stop, left, stopped):
    leaves(left)
    asyncio.run(trigger(stop_on_kill=stop).on_kill())
    assert len(kind.stopped) == stopped


def test_what_is_no_job_is_not_stopped(kind, leaves, monkeypatch):
    leaves(left=True)
    monkeypatch.delitem(registry.KINDS, "fake")
    asyncio.run(trigger().on_kill())
    assert not kind.stopped


def test_trouble_while_stopping_is_waited_out(kind, leaves, monkeypatch):
    leaves(left=True)
    monkeypatch.setattr("airflow_ml_provider.jobs.patience.backoff_seconds", lambda *_: 0.0)
    stop, troubles = kind.stop, [ConnectionResetError(), TimeoutError()]

    def troubled(client, job_id):
        if troubles:
            raise troubles.pop(0)
        stop(client, job_id)

    kind.stop = troubled
    asyncio.run(trigger().on_kill())
    assert len(kind.stopped) == 1


@pytest.mark.parametrize(
    ("kills", "left", "stopped"), [(False, True, 1), (False, False, 0), (True, True, 0)]
)
def test_a_cancelled_trigger_stops_the_job_where_airflow_has_no_on_kill(
    kind, leaves, kills, left, stopped
):
    async def cancelled():
        kind.answer = JobState("job", Phase.RUNNING, "Runs")
        task = asyncio.create_task(first(trigger()))
        while not task.done():
            await asyncio.sleep(0.002)
            task.cancel()  # again and again, as Airflow does
        assert task.cancelled()

    leaves(left, kills=kills)
    asyncio.run(cancelled())
    assert len(kind.stopped) == stopped


def test_the_log_of_the_job_is_told_in_the_context_of_its_trigger(kind, monkeypatch):
    task_log = ContextVar("task_log")
    kind.answer = JobState("job", Phase.RUNNING, "Runs")
    events = [{"logStreamName": "job/1", "timestamp": int(BEGAN * 1000), "message": "hello"}]

    def client(self, service, repeats=True):
        pages = SimpleNamespace(paginate=lambda **_: iter([{"events": events}]))
        return SimpleNamespace(get_paginator=lambda _: pages) if service == "logs" else service

    def info(text, *arguments):
        task_log.get().append(text % arguments)
        kind.answer = JobState("job", Phase.SUCCEEDED, "Completed")

    monkeypatch.setattr(AwsConnection, "client", client)
    monkeypatch.setattr(RemoteJobTrigger, "log", SimpleNamespace(info=info, warning=print))

    async def followed():
        task_log.set([])
        fired = await first(trigger(logs=[("/aws/fake", "job/")], log_lines=10))
        return task_log.get(), fired[0]["log_read_until"]

    lines, read_until = asyncio.run(followed())
    assert lines == ["hello"]
    assert BEGAN < read_until < time.time()
