from __future__ import annotations

import pytest

from airflow_ml_provider.jobs.errors import JobNotFoundError, JobTimeoutError
from airflow_ml_provider.jobs.rounds import Rounds, Waiter, ask
from airflow_ml_provider.jobs.state import JobState, Phase


class Jobs:
    """A kind that counts the calls; ended jobs are not listed."""

    def __init__(self, name="fake", **phases):
        self.name = name
        self.phases = phases
        self.lists, self.singles, self.clients, self.since = [], [], [], []
        self.list_error = self.single_error = None

    def state(self, client, job_id):
        self.singles.append(job_id)
        self.clients.append(client)
        if self.single_error:
            raise self.single_error
        if job_id not in self.phases:
            raise JobNotFoundError(self.name, job_id)
        phase = self.phases[job_id]
        return JobState(job_id, phase, phase.value)

    def states(self, client, job_ids, since):
        self.lists.append(sorted(job_ids))
        self.since.append(since)
        if self.list_error:
            raise self.list_error
        running = [one for one in job_ids if self.phases.get(one) is Phase.RUNNING]
        return {one: JobState(one, Phase.RUNNING, "running") for one in running}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def waiter(kind, job_id, *, deadline=10_000.0, due=1000.0):
    got = []
    one = Waiter(kind, job_id, deadline, got.append, 1000.0, due)
    return one, got


def test_many_are_listed_and_the_rest_asked_once():
    jobs = Jobs(a=Phase.RUNNING, b=Phase.SUCCEEDED)
    answers = dict(ask(jobs, None, ["a", "b", "c"], 0.0))
    assert answers["a"].phase is Phase.RUNNING
    assert answers["b"].phase is Phase.SUCCEEDED
    assert isinstance(answers["c"], JobNotFoundError)
    assert (jobs.lists, jobs.singles) == ([["a", "b", "c"]], ["b", "c"])


def test_a_single_one_is_not_listed():
    jobs = Jobs(a=Phase.RUNNING)
    assert dict(ask(jobs, None, ["a"], 0.0))["a"].phase is Phase.RUNNING
    assert jobs.lists == []


def test_who_may_not_list_asks_singly(refusal):
    jobs = Jobs(a=Phase.RUNNING, b=Phase.RUNNING)
    jobs.list_error = refusal("AccessDeniedException")
    assert len(dict(ask(jobs, None, ["a", "b"], 0.0))) == 2
    assert jobs.singles == ["a", "b"]


def test_a_throttle_is_raised(refusal):
    jobs = Jobs(a=Phase.RUNNING, b=Phase.SUCCEEDED)
    jobs.list_error = refusal("ThrottlingException")
    with pytest.raises(Exception, match="Throttling"):
        list(ask(jobs, None, ["a", "b"], 0.0))
    jobs.list_error, jobs.single_error = None, refusal("ThrottlingException")
    with pytest.raises(Exception, match="Throttling"):
        list(ask(jobs, None, ["a", "b"], 0.0))


def test_a_round_delivers_what_is_final(clock):
    jobs, other = Jobs(a=Phase.RUNNING, b=Phase.FAILED), Jobs("other", x=Phase.STOPPED)
    (a, got_a), (b, got_b), (x, got_x) = waiter(jobs, "a"), waiter(jobs, "b"), waiter(other, "x")
    same, got_same = waiter(jobs, "b")
    rounds = Rounds(lambda: "client", clock)
    rounds.run([a, b, x, same])
    assert (got_a, a.ended, a.state.phase) == ([], False, Phase.RUNNING)
    assert [got[0].phase for got in (got_b, got_same, got_x)] == ["failed", "failed", "stopped"]
    assert jobs.singles == ["b"]
    assert set(jobs.clients) == {"client"}
    assert rounds.next_time([a]) == 1005.0


def test_who_is_not_due_waits_and_who_is_half_due_rides_along(clock):
    jobs = Jobs(a=Phase.RUNNING, b=Phase.RUNNING, c=Phase.RUNNING)
    a, _ = waiter(jobs, "a", due=1005.0)
    rounds = Rounds(object, clock)
    rounds.run([a])
    assert jobs.singles == []
    b, _ = waiter(jobs, "b", due=1001.0)
    c, _ = waiter(jobs, "c", due=1004.9)
    clock.now = 1002.0
    rounds.run([a, b, c])
    assert (jobs.lists, jobs.singles) == ([], ["b"])
    clock.now = 1004.9
    rounds.run([a, c])
    assert jobs.lists == [["a", "c"]]


def test_the_deadline_gets_a_last_look(clock):
    jobs = Jobs(a=Phase.RUNNING, b=Phase.RUNNING)
    (a, got_a), (b, got_b) = waiter(jobs, "a", deadline=1003.0), waiter(jobs, "b", deadline=1003.0)
    rounds = Rounds(lambda: None, clock)
    rounds.run([a, b])
    assert rounds.next_time([a, b]) == 1003.0
    clock.now, jobs.phases["b"] = 1003.0, Phase.SUCCEEDED
    rounds.run([a, b])
    assert isinstance(got_a[0], JobTimeoutError)
    assert "was running when its deadline passed" in str(got_a[0])
    assert got_b[0].phase is Phase.SUCCEEDED


def test_a_throttle_holds_everybody_back_until_the_deadline(clock, refusal):
    jobs = Jobs(a=Phase.RUNNING, b=Phase.RUNNING)
    a, got_a = waiter(jobs, "a", deadline=1004.0)
    b, got_b = waiter(jobs, "b")
    jobs.list_error = refusal("ThrottlingException", "Rate exceeded")
    rounds = Rounds(lambda: None, clock)
    for _ in range(4):
        clock.now = rounds.next_time([one for one in (a, b) if not one.ended])
        rounds.run([one for one in (a, b) if not one.ended])
    assert got_b == []
    assert "not seen yet when its deadline passed. The last call to AWS failed" in str(got_a[0])
    assert "Rate exceeded" in str(got_a[0])
    held = len(jobs.lists)
    rounds.run([b])
    assert len(jobs.lists) == held
    jobs.phases["b"], jobs.list_error = Phase.SUCCEEDED, None
    clock.now = rounds.next_time([b])
    rounds.run([b])
    assert got_b[0].phase is Phase.SUCCEEDED


def test_expired_credentials_make_a_new_client(clock, refusal):
    jobs, made = Jobs(a=Phase.RUNNING), []
    jobs.single_error = refusal("ExpiredTokenException")
    a, got = waiter(jobs, "a")
    rounds = Rounds(lambda: made.append(1) or len(made), clock)
    rounds.run([a])
    jobs.single_error, clock.now = None, rounds.next_time([a])
    rounds.run([a])
    assert jobs.clients == [1, 2]
    assert got == []


def test_a_client_that_can_not_be_made_ends_the_waits(clock):
    a, got = waiter(Jobs(), "a")
    later, got_later = waiter(Jobs(), "b", due=5000.0)

    def fail():
        raise LookupError("no connection aws_default")

    Rounds(fail, clock).run([a, later])
    assert str(got[0]) == "no connection aws_default"
    assert got_later == []


def test_an_error_about_one_job_ends_its_wait_alone(clock):
    jobs = Jobs(a=Phase.RUNNING)
    (a, got_a), (b, got_b) = waiter(jobs, "a"), waiter(jobs, "b")
    Rounds(lambda: None, clock).run([a, b])
    assert got_a == []
    assert isinstance(got_b[0], JobNotFoundError)


def test_nobody_waiting_is_due_at_once(clock):
    assert Rounds(lambda: None, clock).next_time([]) == 0.0


def test_lists_ask_for_what_changed_since_the_last_look_and_once_an_hour_for_all(clock):
    jobs = Jobs(a=Phase.RUNNING, b=Phase.RUNNING)
    pair = [waiter(jobs, name, deadline=1e6)[0] for name in "ab"]
    rounds = Rounds(object, clock)
    asked = []
    while clock.now < 6000:
        rounds.run(pair)
        asked.append(clock.now)
        clock.now = rounds.next_time(pair)
    seen = [1000.0, *asked]
    swept = next(number for number, now in enumerate(asked) if now >= 4600)
    expected = [1000.0 if number == swept else last for number, last in enumerate(seen)]
    assert jobs.since == [last - 120 for last in expected[: len(asked)]]


def test_a_look_that_failed_is_made_up_for(clock, refusal):
    jobs = Jobs(a=Phase.RUNNING, b=Phase.RUNNING)
    pair = [waiter(jobs, name)[0] for name in "ab"]
    rounds = Rounds(object, clock)
    jobs.list_error = refusal("ThrottlingException")
    rounds.run(pair)
    jobs.list_error, clock.now = None, rounds.next_time(pair)
    rounds.run(pair)
    assert jobs.since == [880.0, 880.0]
