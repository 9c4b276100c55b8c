"""Hundreds of kill -9s at random moments: every run is a success with one job ever."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from cells import Cell
from kinds import KINDS
from matrix import write
from proxy import is_alive
from rich.console import Console
from world import ENDED, is_task, world

if TYPE_CHECKING:
    from world import World

RETRIES = 200
IN_FLIGHT = 24
PARALLELISM = 14
MEAN_PAUSE_SECONDS = 1.0
TRIGGERER_REST_SECONDS = 20.0
AWS_REST_SECONDS = 40.0
# Longer than the clients' two attempts.
AWS_STOPPED_SECONDS = 7.0
TIMEOUT_SECONDS = 3
HEARTBEAT_SECONDS = 20
KILLING_SECONDS = 1500.0
END_SECONDS = 420.0
# How often who is chosen.
VICTIMS = {"task": 0.70, "worker": 0.18, "triggerer": 0.12}
_RUNNING = "select pid from task_instance where state = 'running'"
_HELD = (
    "select count(*) from task_instance t join trigger g on g.id = t.trigger_id"
    " join job j on j.id = g.triggerer_id"
    " where t.state = 'deferred' and j.latest_heartbeat > now() - interval '4 seconds'"
)


class Killer:
    """Kills what runs tasks, at random, and counts whom it really killed."""

    def __init__(self, here: World, rng: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self._here, self._airflow = here, here.airflow
        self._rng = rng
        self._rested = time.monotonic()

    def strike(self) -> None:
        """Kill one, if there is one of the chosen sort."""
        (victim,) = self._rng.choices(list(VICTIMS), list(VICTIMS.values()))
        if victim == "triggerer":
            self._triggerer()
            return
        running = {pid for (pid,) in self._airflow.sql(_RUNNING)}
        # Nobody finds a task again whose worker died before Airflow heard that it runs.
        tasks = [task for task in self._here.tasks() if task.pid in running]
        if not tasks:
            return
        task = self._rng.choice(tasks)
        with suppress(psutil.NoSuchProcess):
            worker = task.parent() if victim == "worker" else None
            if is_alive(task) and is_task(task):
                # The worker first, so that nobody reports the death.
                for process in filter(None, (worker, task)):
                    process.kill()
                self.kills[victim] += 1

    def _triggerer(self) -> None:
        rested = time.monotonic() - self._rested > TRIGGERER_REST_SECONDS
        if rested and self._airflow.sql(_HELD)[0][0]:
            self._airflow.kill("triggerer", family=self._rng.random() < 0.5)
            self._airflow.start("triggerer")
            self._rested = time.monotonic()
            self.kills["triggerer"] += 1


@pytest.fixture(scope="module")
def seed(request):
    given = request.config.getoption("seed")
    return random.SystemRandom().randrange(10**6) if given is None else given


def test_random_kills(tmp_path_factory, request, seed, capsys):
    wanted = request.config.getoption("kills")
    rng = random.Random(seed)
    with capsys.disabled():
        Console().print(f"\n{wanted} random kills, --seed {seed}")
    runs: dict[str, list[str]] = {}

    def make(cloud, proxy):
        places = [(kind, deferrable) for kind in KINDS for deferrable in (False, True)]
        return [
            Cell(
                f"r{n:03}-{kind.replace('_', '-')}-{'deferred' if deferrable else 'sync'}",
                *(kind, False, deferrable, cloud.url),
                seconds=12.0 if deferrable else 4.0,
                retries=RETRIES,
                timeout_seconds=TIMEOUT_SECONDS,
            )
            for n, (kind, deferrable) in enumerate(places)
        ]

    with world(
        tmp_path_factory.mktemp("kills"),
        make,
        parallelism=PARALLELISM,
        heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
    ) as here:
        killer = Killer(here, rng)
        began = time.monotonic()
        done, stopped = threading.Event(), []
        stops = threading.Thread(target=stop_aws, args=(here, done, stopped))
        stops.start()
        try:
            while (
                sum(killer.kills.values()) < wanted and time.monotonic() < began + KILLING_SECONDS
            ):
                top_up(here, rng, runs)
                time.sleep(rng.expovariate(1 / MEAN_PAUSE_SECONDS))
                killer.strike()
        finally:
            done.set()
            stops.join()
        killing_seconds = time.monotonic() - began
        states = wait(here, runs)
        told = {
            "seed": seed,
            "kills": dict(killer.kills),
            "aws_stopped": len(stopped),
            "killing_seconds": round(killing_seconds),
            "seconds": round(time.monotonic() - began),
            "dags": [row(here, cell, runs.get(cell.name, []), states) for cell in here.cells],
        }
        write("random_kills", told)
        with capsys.disabled():
            Console().print_json(data=told)
        logs = bad_logs(here, told["dags"], states)
    assert sum(killer.kills.values()) >= wanted
    bad = [one for one in told["dags"] if one["wrong"]]
    assert not bad, f"--seed {seed}: {json.dumps(bad, indent=1)}\n{logs}"


def stop_aws(here: World, done: threading.Event, stopped: list[float]) -> None:
    """Let the local AWS answer nobody for a while, now and then."""
    while not done.wait(AWS_REST_SECONDS):
        here.cloud.stop_for(AWS_STOPPED_SECONDS)
        stopped.append(AWS_STOPPED_SECONDS)


def top_up(here: World, rng: random.Random, runs: dict[str, list[str]]) -> None:
    """Keep enough runs in flight."""
    running = sum(state not in ENDED for state in here.airflow.runs().values())
    for _ in range(IN_FLIGHT - running):
        fewest = min(len(runs.get(cell.name, ())) for cell in here.cells)
        cell = rng.choice([one for one in here.cells if len(runs.get(one.name, ())) == fewest])
        runs.setdefault(cell.name, []).append(here.airflow.trigger(cell.name))


def wait(here: World, runs: dict[str, list[str]]) -> dict[tuple[str, str], str]:
    """Wait until all runs have ended or the time is over, and give their states."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        states = here.airflow.runs()
        if set(states.values()) <= ENDED or time.monotonic() > deadline:
            return states
        time.sleep(1)


def row(
    here: World, cell: Cell, runs: list[str], states: dict[tuple[str, str], str]
) -> dict[str, Any]:
    """Compare a DAG's runs with the jobs that were ever made for them."""
    jobs = cell.jobs(here.cloud)
    told = here.airflow.sql(
        "select value from xcom where dag_id = %s and key = 'return_value'", cell.name
    )
    ids = {_job_id(value) for (value,) in told}
    outcomes = Counter(states[cell.name, run] for run in runs)
    tries = here.airflow.sql(
        "select sum(try_number) from task_instance where dag_id = %s", cell.name
    )
    return {
        "dag": cell.name,
        "runs": len(runs),
        "outcomes": dict(outcomes),
        "jobs": len(jobs),
        "job_states": dict(Counter(jobs)),
        "jobs_adopted": len(ids),
        "tries": int(tries[0][0] or 0),
        "wrong": not (outcomes == {"success": len(runs)} and len(jobs) == len(ids) == len(runs))
        and bool(runs),
    }


def _job_id(value: Any) -> str:
    told = json.loads(value) if isinstance(value, str) else value
    return str(told["job_id"])


def bad_logs(here: World, dags: list[dict[str, Any]], states: dict[tuple[str, str], str]) -> str:
    """Give the logs of runs that failed, never ended or started more than one job."""
    wrong = {one["dag"] for one in dags if one["wrong"]}
    texts = []
    for cell in here.cells:
        for (name, run_id), state in states.items():
            if name == cell.name and name in wrong:
                cell.run_id = run_id
                log = cell.log(here.airflow)
                if state != "success" or log.count(f"Started {cell.kind} job") > 1:
                    texts.append(f"{name} {run_id} {state}\n{log}")
    return "\n\n".join(texts)
