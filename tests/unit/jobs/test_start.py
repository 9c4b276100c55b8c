from __future__ import annotations

import logging

import pytest

from airflow_ml_provider.jobs import start as start_module
from airflow_ml_provider.jobs.errors import RetryLaterError, TokensExhaustedError
from airflow_ml_provider.jobs.start import How, find_running, start
from airflow_ml_provider.jobs.state import JobState, Phase


class Jobs:
    """A kind whose jobs lie in a dict."""

    name = "fake"

    def __init__(self, **phases):
        self.jobs = {name.replace("_", "-"): phase for name, phase in phases.items()}
        self.stopping = set()
        self.troubles = []
        self.different = ()
        self.submitted = []

    def find(self, client, request, token):
        if self.troubles and (trouble := self.troubles.pop(0)):
            raise trouble
        phase = self.jobs.get(token)
        stopping = token in self.stopping
        return JobState(token, phase, str(phase), stopping=stopping) if phase else None

    def submit(self, client, request, token):
        self.submitted.append(token)
        self.jobs[token] = Phase.RUNNING
        return token

    def differences(self, client, request, job_id):
        return self.different


class Clock:
    def __init__(self):
        self.now = 0.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def begin(jobs, clock=None, deadline=600, **options):
    clock = clock or Clock()
    options = {"clock": clock, "sleep": clock.sleep, **options}
    return start(jobs, object, {}, "t", deadline=deadline, **options)


def test_starts_the_first():
    jobs = Jobs()
    started = begin(jobs)
    assert (started.job_id, started.how, jobs.submitted) == ("t-1", How.CREATED, ["t-1"])
    assert started.state.phase is Phase.RUNNING


@pytest.mark.parametrize(
    ("phase", "how"), [(Phase.RUNNING, How.ATTACHED), (Phase.SUCCEEDED, How.ADOPTED)]
)
def test_takes_what_runs_or_succeeded(phase, how):
    jobs = Jobs(t_1=Phase.FAILED, t_2=phase)
    started = begin(jobs)
    assert (started.job_id, started.how, jobs.submitted) == ("t-2", how, [])


def test_failed_and_stopped_jobs_are_passed_over():
    jobs = Jobs(t_1=Phase.FAILED, t_2=Phase.STOPPED)
    assert begin(jobs).job_id == "t-3"
    assert jobs.submitted == ["t-3"]


def test_says_in_which_fields_the_job_differs(caplog):
    jobs = Jobs(t_1=Phase.RUNNING)
    jobs.different = ("RoleArn", "ResourceConfig.InstanceType")
    with caplog.at_level(logging.WARNING):
        begin(jobs)
    assert "it differs in: RoleArn, ResourceConfig.InstanceType" in caplog.text


def test_a_running_job_of_an_earlier_try_is_attached_and_an_ended_one_is_not():
    jobs = Jobs(old_1=Phase.FAILED, old_2=Phase.RUNNING)
    assert begin(jobs, earlier=["older", "old"]).job_id == "old-2"
    jobs = Jobs(old_1=Phase.SUCCEEDED)
    assert begin(jobs, earlier=["old"]).job_id == "t-1"


def test_a_running_job_of_an_earlier_try_is_stopped_if_that_is_wanted():
    jobs, stopped = Jobs(old_1=Phase.RUNNING), []

    def stop(client, job_id):
        stopped.append(job_id)
        jobs.stopping.add(job_id)

    def sleep(seconds):
        if len(stopped) == 1:
            jobs.stopping, jobs.jobs["old-1"] = set(), Phase.STOPPED

    jobs.stop = stop
    begun = begin(jobs, earlier=["old"], stop_earlier=True, sleep=sleep)
    assert (begun.job_id, stopped) == ("t-1", ["old-1"])


def test_a_job_that_is_being_stopped_is_waited_out():
    jobs, clock = Jobs(t_1=Phase.RUNNING), Clock()
    jobs.stopping = {"t-1"}

    def sleep(seconds):
        clock.slept.append(seconds)
        jobs.stopping, jobs.jobs["t-1"] = set(), Phase.STOPPED

    started = begin(jobs, clock, sleep=sleep)
    assert (started.job_id, len(clock.slept)) == ("t-2", 1)


def test_transient_errors_are_waited_out_and_the_lost_answer_is_found(refusal):
    jobs, clock = Jobs(), Clock()

    def submit(client, request, token):
        jobs.jobs[token] = Phase.RUNNING
        raise ConnectionResetError

    jobs.submit = submit
    jobs.troubles = [refusal("ThrottlingException"), None]
    started = begin(jobs, clock)
    assert (started.job_id, started.how, list(jobs.jobs)) == ("t-1", How.ATTACHED, ["t-1"])
    assert len(clock.slept) == 2


def test_patience_ends_at_the_deadline():
    jobs, clock = Jobs(t_1=Phase.RUNNING), Clock()
    jobs.stopping = {"t-1"}
    with pytest.raises(RetryLaterError, match="still being stopped"):
        begin(jobs, clock, deadline=30)
    assert clock.now == 30


def test_every_attempt_has_a_client_of_its_own(refusal):
    jobs, made = Jobs(), []
    jobs.troubles = [refusal("ExpiredTokenException")]
    clock = Clock()

    def connect():
        made.append(object())
        return made[-1]

    jobs.submit = lambda client, request, token: str(made.index(client))
    begun = start(jobs, connect, {}, "t", deadline=60, clock=clock, sleep=clock.sleep)
    assert begun.job_id == "1"


def test_a_job_that_runs_or_is_being_stopped_can_be_found():
    jobs = Jobs(t_1=Phase.FAILED, t_2=Phase.RUNNING)
    assert find_running(jobs, None, {}, ["s", "t"]).job_id == "t-2"
    assert find_running(Jobs(t_1=Phase.SUCCEEDED), None, {}, ["t"]) is None


def test_a_refusal_is_passed_on_at_once(refusal):
    jobs, clock = Jobs(), Clock()
    jobs.troubles = [refusal("AccessDeniedException", "no")]
    with pytest.raises(Exception, match="AccessDenied"):
        begin(jobs, clock)
    assert clock.slept == []


def test_numbers_end(monkeypatch):
    monkeypatch.setattr(start_module, "MAX_NUMBER", 2)
    with pytest.raises(TokensExhaustedError, match="all 2 jobs named t-<n> failed"):
        begin(Jobs(t_1=Phase.FAILED, t_2=Phase.FAILED))
    jobs = Jobs(old_1=Phase.FAILED, old_2=Phase.FAILED)
    assert begin(jobs, earlier=["old"]).job_id == "t-1"
