"""A worker that is silent for too long is taken for dead, and comes back."""

from __future__ import annotations

import signal

import pytest
from cells import Cell
from kinds import KINDS
from stack import until
from world import world

HEARTBEAT_SECONDS = 15
JOB_SECONDS = 75.0
WAIT_SECONDS = 300


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    def make(cloud, proxy):
        return [
            Cell(
                f"f{number:03}-{kind.replace('_', '-')}",
                *(kind, False, False, cloud.url),
                seconds=JOB_SECONDS,
            )
            for number, kind in enumerate(KINDS)
        ]

    folder = tmp_path_factory.mktemp("frozen")
    with world(folder, make, heartbeat_timeout_seconds=HEARTBEAT_SECONDS) as here:
        yield here


def test_a_worker_that_was_taken_for_dead_does_not_stop_the_job_of_the_retry(here):
    here.start(here.cells)
    for cell in here.cells:
        until(lambda cell=cell: cell.jobs(here.cloud), cell.name, 120)
    frozen = [task.parent() for task in here.tasks()]
    assert len(frozen) == len(here.cells)
    for worker in frozen:
        worker.send_signal(signal.SIGSTOP)
    for cell in here.cells:
        waits = f"a second try of {cell.name}"
        until(
            lambda cell=cell: (
                (cell.tries(here.airflow), cell.state(here.airflow)) == (2, "running")
            ),
            waits,
            120,
        )
    for worker in frozen:
        worker.send_signal(signal.SIGCONT)
    outcomes = here.wait(here.cells, WAIT_SECONDS)
    told = [
        f"{cell.name}: {outcomes[cell.name]}, jobs {jobs}\n{cell.log(here.airflow)}"
        for cell in here.cells
        if len(jobs := cell.jobs(here.cloud)) != 1 or outcomes[cell.name] != "success"
    ]
    assert not told, "\n\n".join(told)
