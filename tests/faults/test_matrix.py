"""Whatever dies or fails while a job is started, awaited or collected: one job, one success."""

from __future__ import annotations

import random
import time
from contextlib import suppress

import pytest
from kinds import KINDS
from matrix import TRIGGERER_ROW, Result, make_cells, show, write
from stack import until
from world import world

from airflow_ml_provider.jobs.registry import KINDS as REGISTRY

MATRIX_SECONDS = 2400
TRIGGERER_SECONDS = 240


@pytest.fixture(scope="module")
def matrix(tmp_path_factory, request):
    """Run all cells, then those whose triggerer dies; gives the results and the failed logs."""
    places = {}

    def make(cloud, proxy):
        places.update(make_cells(proxy, request.config.getoption("cells")))
        return list(places.values())

    with world(tmp_path_factory.mktemp("matrix"), make, parallelism=12) as here:
        together = [cell for (row, _), cell in places.items() if row != TRIGGERER_ROW]
        # Cells that wait and cells that work side by side, so that the machine is never idle.
        random.Random(0).shuffle(together)
        here.run(together, (), MATRIX_SECONDS)
        deferred = [cell for (row, _), cell in places.items() if row == TRIGGERER_ROW]
        if deferred:
            kill_triggerer(here, deferred)
        outcomes = here.outcomes(here.cells)
        results = [
            Result(
                *(row, column, cell, cell.jobs(here.cloud)),
                *(outcomes[cell.name], cell.tries(here.airflow)),
            )
            for (row, column), cell in places.items()
        ]
        show(results)
        seconds = round(time.monotonic() - here.began)
        write("matrix", {"seconds": seconds, "cells": [result.json() for result in results]})
        bad = [result for result in results if not result.column.stock and not result.good]
        yield results, {one.cell.name: one.cell.log(here.airflow) for one in bad}


def kill_triggerer(here, cells):
    """Kill the triggerer once it waits for all of them, and start it again."""
    names = {cell.name for cell in cells}
    held = "select t.dag_id from task_instance t join trigger g on g.id = t.trigger_id"
    held += " where t.state = 'deferred' and g.triggerer_id is not null"

    def deferred():
        return names & {dag_id for (dag_id,) in here.airflow.sql(held)}

    here.start(cells)
    with suppress(AssertionError):  # the cells that it misses are named in the end
        until(lambda: deferred() == names, "all deferred", 120)
    struck = deferred()
    here.airflow.kill("triggerer", family=True)
    for cell in cells:
        cell.port.struck["triggerer"] += cell.name in struck
    here.airflow.start("triggerer")
    here.wait(cells, TRIGGERER_SECONDS)


def test_every_kind_is_in_the_matrix():
    assert set(KINDS) == set(REGISTRY)


def test_every_fault_really_struck(matrix):
    results, _ = matrix
    assert [f"{one.row}: {one.cell.name}" for one in results if not one.struck] == []


def test_ours_is_one_job_and_success(matrix):
    results, logs = matrix
    bad = {f"{one.row}: {one.cell.name}": one for one in results if one.cell.name in logs}
    told = [
        f"{place}: jobs {list(one.jobs)}, {one.outcome} in {one.tries} tries\n{logs[one.cell.name]}"
        for place, one in bad.items()
    ]
    assert not told, "\n\n".join(told)
