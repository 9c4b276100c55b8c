"""The local AWS, the proxy before it and a real Airflow, with the cells to run in them."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from cells import environment
from cloud import Cloud
from kinds import BUCKET
from proxy import Proxy
from stack import REPOSITORY, Airflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cells import Cell

DAGS = Path(__file__).with_name("dags")
PATHS = (REPOSITORY, Path(__file__).with_name("preload"))
ENDED = frozenset({"success", "failed"})
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class World:
    """What a test talks to."""

    cloud: Cloud
    airflow: Airflow
    cells: Sequence[Cell]
    began: float

    def start(self, cells: Iterable[Cell]) -> None:
        """Start the run of each cell."""
        for cell in cells:
            cell.start(self.airflow)

    def outcomes(self, cells: Iterable[Cell]) -> dict[str, str]:
        """Give the states of the cells' runs, by name."""
        states = self.airflow.runs()
        return {cell.name: states.get((cell.name, cell.run_id), "none") for cell in cells}

    def tasks(self) -> list[psutil.Process]:
        """Give the processes that run a task's code now."""
        return [process for process in self.airflow.family("scheduler") if is_task(process)]

    def wait(self, cells: Sequence[Cell], seconds: float) -> dict[str, str]:
        """Wait until all have ended or the time is over, and give their states."""
        return self.run((), cells, seconds)

    def run(
        self, fresh: Sequence[Cell], started: Sequence[Cell], seconds: float, at_once: int = 20
    ) -> dict[str, str]:
        """Start the fresh cells, not too many at once, and wait for all; gives their states."""
        waiting, running = list(fresh), list(started)
        deadline = time.monotonic() + seconds
        while True:
            outcomes = self.outcomes(running)
            alive = sum(state not in ENDED for state in outcomes.values())
            if (not alive and not waiting) or time.monotonic() > deadline:
                return outcomes
            more = waiting[: max(0, at_once - alive)]
            self.start(more)
            waiting, running = waiting[len(more) :], [*running, *more]
            time.sleep(_POLL_SECONDS)


@contextmanager
def world(
    folder: Path,
    make: Callable[[Cloud, Proxy], Sequence[Cell]],
    *,
    parallelism: int = 8,
    heartbeat_timeout_seconds: int = 60,
) -> Iterator[World]:
    """Start all of it; ``make`` opens the ways to AWS and names the cells.

    A task whose worker is silent for ``heartbeat_timeout_seconds`` is taken for dead. A busy
    machine is silent by itself, and a fault that nobody ordered spoils a measurement: so the
    scheduler, which is never killed here, gets minutes.
    """
    with ExitStack() as exits:
        began = time.monotonic()
        cloud = exits.enter_context(Cloud(folder / "aws"))
        cloud.client("s3").put_object(Bucket=BUCKET, Key="report.json", Body=json.dumps({"a": 1}))
        proxy = exits.enter_context(Proxy(cloud.url, is_task))
        cells = make(cloud, proxy)
        told = folder / "cells"
        told.mkdir()
        for cell in cells:
            cell.write(cloud, told)
        env = {
            **environment(cells, told),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(heartbeat_timeout_seconds),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "300",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "300",
            "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
        }
        airflow = Airflow(folder / "airflow", DAGS, env=env, parallelism=parallelism)
        exits.enter_context(airflow)
        yield World(cloud, airflow, cells, began)


def is_task(process: psutil.Process) -> bool:
    """Whether a process runs a task's code: the one above it only supervises."""
    try:
        parent = process.parent()
        if _title(process).startswith("airflow task runner"):  # 2.11
            return True
        return parent is not None and all(
            _title(one).startswith("airflow worker") for one in (process, parent)
        )
    except psutil.NoSuchProcess:
        return False


def _title(process: psutil.Process) -> str:
    return " ".join(process.cmdline())
