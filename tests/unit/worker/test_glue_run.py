from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_ml_provider.jobs.errors import JobFailedError, JobTimeoutError
from airflow_ml_provider.jobs.glue import GlueJobRuns
from airflow_ml_provider.jobs.state import JobState, Phase
from airflow_ml_provider.worker import glue_run
from airflow_ml_provider.worker.errors import StepError, StoppedError

REQUEST = {"JobName": "daily", "Arguments": {"--depth": 6}}
RUNNING = JobState("daily/jr_1", Phase.RUNNING, "RUNNING")


class FakeGlue(GlueJobRuns):
    """Glue with one run; ``ends`` are its states, one for each look."""

    def __init__(self):
        self.started, self.stopped, self.run = [], [], None
        self.ends = [Phase.SUCCEEDED]
        self.interrupts = None

    def find(self, client, request, token):
        assert client == "glue client"
        return self.run

    def submit(self, client, request, token):
        self.started.append((request, token))
        self.run = RUNNING
        if self.interrupts:
            raise self.interrupts
        return RUNNING.job_id

    def state(self, client, job_id):
        end = self.ends.pop(0)
        if isinstance(end, BaseException):
            raise end
        return JobState(job_id, end, end.name, reason="out of memory")

    def stop(self, client, job_id):
        self.stopped.append(job_id)

    def differences(self, client, request, job_id):
        return ()


@pytest.fixture
def glue(monkeypatch):
    fake = FakeGlue()
    monkeypatch.setattr(glue_run, "GLUE", fake)
    monkeypatch.setattr(glue_run, "LogReader", reader(["a line"]))
    monkeypatch.setattr(glue_run.time, "sleep", lambda seconds: None)
    return fake


def reader(lines):
    def new_lines(limit):
        if isinstance(lines, Exception):
            raise lines
        return lines

    return lambda client, streams: SimpleNamespace(new_lines=new_lines)


def run(**work):
    return glue_run.run(
        {"request": REQUEST, "seconds": 600, **work}, lambda service: f"{service} client", "p-daily"
    )


def test_a_run_is_started_and_waited_for(glue, caplog):
    caplog.set_level("INFO")
    assert run() == "Glue run daily/jr_1 ended as SUCCEEDED"
    request = {"JobName": "daily", "Arguments": {"--depth": "6"}}
    assert glue.started == [(request, "p-daily-1")]
    assert "a line" in caplog.messages


def test_a_run_that_succeeded_before_is_adopted(glue):
    glue.run = JobState("daily/jr_0", Phase.SUCCEEDED, "SUCCEEDED")
    assert run() == "Glue run daily/jr_0 ended as SUCCEEDED"
    assert glue.started == []


def test_a_run_that_fails_is_an_error(glue):
    glue.ends = [Phase.FAILED]
    with pytest.raises(JobFailedError, match="daily/jr_1 ended as FAILED: out of memory"):
        run()


def test_a_log_that_can_not_be_read_fails_nothing(glue, monkeypatch, caplog):
    monkeypatch.setattr(glue_run, "LogReader", reader(PermissionError("no rights")))
    assert run().endswith("SUCCEEDED")
    assert "The run's log can't be read: no rights" in caplog.messages


def test_a_stopped_job_stops_the_run(glue):
    glue.ends = [StoppedError()]
    with pytest.raises(StoppedError):
        run()
    assert glue.stopped == ["daily/jr_1"]


def test_a_run_that_was_just_being_started_is_found_and_stopped(glue):
    glue.interrupts = StoppedError()
    with pytest.raises(StoppedError):
        run()
    assert glue.stopped == ["daily/jr_1"]


def test_where_nothing_was_started_nothing_is_stopped(glue, monkeypatch):
    def start(*args, **kwargs):
        raise StoppedError

    monkeypatch.setattr(glue_run, "start", start)
    with pytest.raises(StoppedError):
        run()
    assert glue.stopped == []


def test_a_run_that_takes_too_long_is_stopped(glue):
    glue.ends = [Phase.RUNNING]
    with pytest.raises(JobTimeoutError, match="was RUNNING when its deadline passed"):
        run(seconds=-1)
    assert glue.stopped == ["daily/jr_1"]


def test_what_glue_would_refuse_is_said_at_once(glue):
    with pytest.raises(StepError, match=r"Glue would refuse the request: .*JobName"):
        run(request={"Arguments": {}})
    assert glue.started == []
