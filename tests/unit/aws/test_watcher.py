from __future__ import annotations

import asyncio
import threading
import time

import pytest

from airflow_ml_provider.aws import watcher
from airflow_ml_provider.aws.watcher import wait, wait_for
from airflow_ml_provider.jobs import registry
from airflow_ml_provider.jobs.errors import JobNotFoundError, JobTimeoutError, WatcherDiedError
from airflow_ml_provider.jobs.state import JobState, Phase

POLL = 0.01


class Jobs:
    """A kind whose jobs run until they are ended; it counts the calls and who made them."""

    name, service = "fake", "fake-service"

    def __init__(self):
        self.ended = {}
        self.lists, self.singles = [], []
        self.clients, self.threads = set(), set()
        self.errors = []
        self.listed = threading.Event()

    def _made(self, client):
        self.clients.add(client)
        self.threads.add(threading.current_thread())
        if self.errors:
            raise self.errors.pop(0)

    def state(self, client, job_id):
        self.singles.append(job_id)
        self._made(client)
        if job_id == "unknown":
            raise JobNotFoundError(self.name, job_id)
        phase = self.ended.get(job_id, Phase.RUNNING)
        return JobState(job_id, phase, phase.value)

    def states(self, client, job_ids, since):
        self.lists.append(len(job_ids))
        self._made(client)
        self.listed.set()
        running = [one for one in job_ids if one not in self.ended and one != "unknown"]
        return {one: JobState(one, Phase.RUNNING, "running") for one in running}


@pytest.fixture
def jobs(monkeypatch):
    kind = Jobs()
    monkeypatch.setitem(registry.WATCHABLES, "fake", kind)
    yield kind
    left = [one for one in threading.enumerate() if one.name.startswith("aws-watcher")]
    for thread in left:
        thread.join(5)
    assert watcher._WATCHERS == {}
    assert not any(thread.is_alive() for thread in left)


def waits(job_id, factory=lambda _: object(), key="key", deadline=None, poll_seconds=POLL):
    deadline = time.time() + 30 if deadline is None else deadline
    return wait("fake", job_id, key, factory, deadline=deadline, poll_seconds=poll_seconds)


async def seen(condition):
    async def look():
        while not condition():  # noqa: ASYNC110 - the watcher's thread sets no event
            await asyncio.sleep(0.002)

    await asyncio.wait_for(look(), 30)


def test_a_thousand_waiters_cost_one_thread_one_client_and_one_call_a_poll(jobs):
    names = [f"job-{number}" for number in range(1000)]
    made = []

    def factory(service):
        made.append(threading.current_thread())
        return "client"

    async def main():
        tasks = [asyncio.create_task(waits(name, factory, poll_seconds=0.4)) for name in names]
        await seen(lambda: jobs.lists[-1:] == [1000])
        jobs.singles.clear()
        await seen(lambda: jobs.lists[-3:] == [1000] * 3)
        assert jobs.singles == []
        jobs.ended = dict.fromkeys(names, Phase.SUCCEEDED)
        return await asyncio.gather(*tasks)

    states = asyncio.run(main())
    assert [state.job_id for state in states] == names
    assert {state.phase for state in states} == {Phase.SUCCEEDED}
    assert sorted(jobs.singles) == sorted(names)
    assert (jobs.clients, len(made), len(jobs.threads)) == ({"client"}, 1, 1)
    assert made[0] in jobs.threads
    assert made[0] is not threading.main_thread()


def test_failed_and_unknown_jobs_do_not_disturb_the_others(jobs):
    async def main():
        one, other, unknown = (asyncio.create_task(waits(name)) for name in ("a", "b", "unknown"))
        jobs.ended["a"] = Phase.FAILED
        assert (await one).phase is Phase.FAILED
        with pytest.raises(JobNotFoundError):
            await unknown
        jobs.ended["b"] = Phase.STOPPED
        assert (await other).phase is Phase.STOPPED

    asyncio.run(main())


def test_keys_have_watchers_of_their_own(jobs):
    jobs.ended = {"a": Phase.SUCCEEDED, "b": Phase.SUCCEEDED}

    async def main():
        await asyncio.gather(waits("a", key="eu", factory=lambda _: 1), waits("b", key="us"))

    asyncio.run(main())
    assert len(jobs.threads) == len(jobs.clients) == 2


def test_trouble_is_waited_out(jobs, monkeypatch):
    monkeypatch.setattr("airflow_ml_provider.jobs.rounds.backoff_seconds", lambda *_: 0.001)
    jobs.errors = [ConnectionResetError("gone"), TimeoutError("slow")]
    jobs.ended = {"a": Phase.SUCCEEDED, "b": Phase.SUCCEEDED}

    async def main():
        return await asyncio.gather(waits("a"), waits("b"))

    assert [state.job_id for state in asyncio.run(main())] == ["a", "b"]


def test_the_deadline_ends_a_wait_even_in_trouble(jobs):
    jobs.errors = [ConnectionResetError("gone")] * 100
    with pytest.raises(JobTimeoutError, match="gone"):
        asyncio.run(waits("a", deadline=time.time() + 0.1))


def test_a_deadline_that_has_passed_still_gets_one_look(jobs):
    jobs.ended["a"] = Phase.SUCCEEDED
    assert asyncio.run(waits("a", deadline=1.0)).phase is Phase.SUCCEEDED
    with pytest.raises(JobTimeoutError, match="fake job b was running"):
        asyncio.run(waits("b", deadline=1.0))


def test_a_dying_thread_fails_its_waiters_and_the_next_wait_starts_another(jobs):
    jobs.errors = [SystemExit("out of memory")]
    jobs.ended = {"a": Phase.SUCCEEDED}

    async def main():
        pair = (waits(name, poll_seconds=0.4) for name in ("a", "b"))
        both = await asyncio.gather(*pair, return_exceptions=True)
        assert [type(one) for one in both] == [WatcherDiedError] * 2
        assert "out of memory" in str(both[0])
        assert (await waits("a")).phase is Phase.SUCCEEDED

    asyncio.run(main())
    assert len(jobs.threads) == 2


def test_a_client_that_can_not_be_made_fails_the_wait(jobs):
    def factory(service):
        raise LookupError("no connection")

    with pytest.raises(LookupError, match="no connection"):
        asyncio.run(waits("a", factory))


def test_a_cancelled_waiter_is_forgotten(jobs):
    async def main():
        stay, leave = asyncio.create_task(waits("a")), asyncio.create_task(waits("b"))
        await seen(lambda: jobs.lists)
        leave.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leave
        ((_, alone),) = [(key, one) for key, one in watcher._WATCHERS.items()]
        assert {waiter.job_id for waiter in alone._waiters} == {"a"}
        jobs.ended["a"] = Phase.SUCCEEDED
        await stay

    asyncio.run(main())


def test_the_thread_ends_when_the_last_waiter_leaves(jobs):
    async def main():
        task = asyncio.create_task(waits("a", poll_seconds=3600))
        await seen(lambda: watcher._WATCHERS)
        (one,) = watcher._WATCHERS.values()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        one._thread.join(5)
        assert not one._thread.is_alive()

    asyncio.run(main())
    assert watcher._WATCHERS == {}


def test_a_newcomer_wakes_a_sleeping_watcher(jobs):
    async def main():
        asleep = asyncio.create_task(waits("a", poll_seconds=3600))
        await seen(lambda: watcher._WATCHERS)
        jobs.ended["b"] = Phase.SUCCEEDED
        assert (await waits("b")).phase is Phase.SUCCEEDED
        asleep.cancel()

    asyncio.run(main())


def test_two_event_loops_share_a_watcher(jobs):
    states = []
    loops = [
        threading.Thread(target=lambda name=name: states.append(asyncio.run(waits(name))))
        for name in ("a", "b")
    ]
    for loop in loops:
        loop.start()
    assert jobs.listed.wait(10)
    jobs.ended = {"a": Phase.SUCCEEDED, "b": Phase.SUCCEEDED}
    for loop in loops:
        loop.join(10)
    assert {state.job_id for state in states} == {"a", "b"}
    assert len(jobs.threads) == 1


def test_a_closed_event_loop_does_not_hurt_the_others(jobs):
    loop = asyncio.new_event_loop()
    task = loop.create_task(waits("a"))
    loop.run_until_complete(asyncio.sleep(0))
    jobs.ended = {"a": Phase.SUCCEEDED}
    (one,) = watcher._WATCHERS.values()
    task._log_destroy_pending = False
    loop.close()
    one._thread.join(5)
    assert watcher._WATCHERS == {}


def test_an_outcome_that_comes_after_the_cancel_is_dropped():
    async def main():
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        watcher._settle(future, JobState("a", Phase.SUCCEEDED, "ok"))
        assert future.cancelled()

    asyncio.run(main())


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_a_synchronous_wait_has_the_same_pace(jobs):
    clock, polls = Clock(), []

    def on_poll(state):
        polls.append((clock.now, state.phase.value))
        if clock.now > 100:
            jobs.ended["a"] = Phase.SUCCEEDED

    state = wait_for(jobs, object, "a", 3600, on_poll, clock=clock, sleep=clock.sleep)
    assert state.phase is Phase.SUCCEEDED
    times = [when for when, _ in polls]
    assert times[:4] == [0, 5, 10, 15]
    assert polls[-1][1] == "succeeded"
    assert times[-1] - times[-2] > 9


def test_a_synchronous_wait_rides_out_trouble_and_keeps_its_deadline(jobs):
    clock = Clock()
    jobs.errors = [ConnectionResetError()] * 3
    with pytest.raises(JobTimeoutError):
        wait_for(jobs, object, "a", 60, clock=clock, sleep=clock.sleep)
    assert (clock.now, jobs.errors) == (60, [])
