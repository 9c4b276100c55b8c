from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import ClassVar

import pytest

from airflow_ml_provider.jobs import registry
from airflow_ml_provider.jobs.errors import JobNotFoundError
from airflow_ml_provider.jobs.state import JobState, LogStreams, Phase
from airflow_ml_provider.triggers.connection import AwsConnection

START = datetime(2026, 11, 22, tzinfo=timezone.utc)


class FakeKind:
    """Jobs in a dict, spelled as SNS messages so that botocore can check a request."""

    name = "fake"
    service = "sns"
    operation = "Publish"
    embedded: ClassVar[dict] = {}
    actions = frozenset()

    def __init__(self):
        self.jobs = {}
        self.requests_made = []
        self.born = Phase.RUNNING
        self.stopped = []

    def put(self, job_id, phase, **fields):
        self.jobs[job_id] = JobState(job_id, phase, phase.value.title(), **fields)

    def find(self, client, request, token):
        return self.jobs.get(token)

    def submit(self, client, request, token):
        self.requests_made.append(request)
        self.put(token, self.born, result={"Name": token})
        return token

    def state(self, client, job_id):
        if job_id not in self.jobs:
            raise JobNotFoundError(self.name, job_id)
        return self.jobs[job_id]

    def states(self, client, job_ids, since):
        return {}

    def stop(self, client, job_id):
        self.stopped.append(job_id)

    def differences(self, client, request, job_id):
        return ()

    def requests(self, request):
        return ((self.operation, request),)

    def logs(self, job_id, request):
        return (LogStreams("/aws/fake", f"{job_id}/"),)

    def console_path(self, job_id):
        return f"fake/home#/jobs/{job_id}"


class FakeLogs:
    def __init__(self, lines):
        self.lines = lines

    def get_paginator(self, name):
        return SimpleNamespace(paginate=lambda **_: [{"logStreams": [{"logStreamName": "one"}]}])

    def get_log_events(self, nextToken=None, **_):  # noqa: N803 - AWS's spelling
        lines = [] if nextToken else self.lines
        events = [{"timestamp": number, "message": line} for number, line in enumerate(lines)]
        return {"events": events, "nextForwardToken": "end"}


class FakeTask(SimpleNamespace):
    def __init__(self, **fields):
        super().__init__(xcoms={}, **fields)

    def xcom_push(self, key, value):
        self.xcoms[key] = value

    def xcom_pull(self, task_ids=None, key="return_value", map_indexes=None):
        return self.xcoms.get((task_ids, key), self.xcoms.get(key))


@pytest.fixture
def kind(monkeypatch):
    fake = FakeKind()
    monkeypatch.setitem(registry.KINDS, "fake", fake)
    monkeypatch.setitem(registry.WATCHABLES, "fake", fake)
    return fake


@pytest.fixture
def clients(monkeypatch):
    """The clients that operators get, by service; an unknown one is a bare name tag."""
    meta = SimpleNamespace(region_name="eu-central-1", partition="aws")
    given = {"logs": FakeLogs(["first", "last"])}

    def client(self, service, *, repeats=True, read_timeout_seconds=None):
        return given.setdefault(service, SimpleNamespace(service=service, meta=meta))

    monkeypatch.setattr(AwsConnection, "client", client)
    return given


@pytest.fixture
def ti():
    return FakeTask(
        dag_id="flights",
        run_id="manual",
        task_id="train",
        map_index=-1,
        try_number=2,
        max_tries=1,
        task=SimpleNamespace(retries=1),
    )


@pytest.fixture
def context(ti):
    dag_run = SimpleNamespace(
        run_id="manual",
        start_date=START,
        run_after=START,
        data_interval_start=START,
        data_interval_end=START,
    )
    return {"ti": ti, "dag_run": dag_run, "params": {"threshold": 0.7}, "run_id": "manual"}


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("print('hello')\n")
    return path
