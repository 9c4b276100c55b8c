"""What people do to tasks and jobs, and what AWS refuses for good."""

from __future__ import annotations

import pytest
from cells import TASK, Cell
from fault import Fault, Role, What
from kinds import KINDS
from stack import until
from world import world

from airflow_ml_provider.jobs.registry import KINDS as REGISTRY

WAIT_SECONDS = 300
LONG_SECONDS = 60.0
REFUSED = {"denied": What.DENIED, "rejected": What.REJECTED}
UNKNOWN = "00unknown0000000"
MODES = {"sync": False, "deferred": True}


@pytest.fixture(scope="module")
def cells():
    return {}


@pytest.fixture(scope="module")
def here(tmp_path_factory, cells):
    def make(cloud, proxy):
        for kind in KINDS:
            for mode, deferrable in MODES.items():
                for what, options in (
                    ("again", {}),
                    ("attach", {"seconds": LONG_SECONDS, "more": {"stop_on_kill": False}}),
                    ("stopped", {"seconds": 120.0, "retries": 0}),
                ):
                    cells[what, kind, mode] = (kind, deferrable, cloud.url, None, options)
            for what, injected in REFUSED.items():
                port = proxy.open(KINDS[kind].calls, Fault(injected, Role.SUBMIT, times=99))
                cells[what, kind, "sync"] = (kind, False, port.url, port, {})
        options = {"request": {"applicationId": UNKNOWN}}
        cells["unknown", "emr_serverless", "sync"] = (
            *("emr_serverless", False, cloud.url, None),
            options,
        )
        for number, (place, (kind, deferrable, url, port, options)) in enumerate(cells.items()):
            name = "-".join([f"p{number:03}", *place]).replace("_", "-")
            cells[place] = Cell(
                name, kind, stock=False, deferrable=deferrable, url=url, port=port, **options
            )
        return list(cells.values())

    with world(tmp_path_factory.mktemp("people"), make) as here:
        here.start(cell for (what, *_), cell in cells.items() if what != "attach")
        yield here


def ends(here, cell, outcome):
    assert here.wait([cell], WAIT_SECONDS)[cell.name] == outcome, cell.log(here.airflow)


def running_job(here, cell):
    """Wait for the task to wait for its job, and give the job's id."""
    waits = "deferred" if cell.deferrable else "running"
    until(lambda: cell.state(here.airflow) == waits and cell.jobs(here.cloud), cell.name, 120)

    def known():
        told = here.airflow.sql(
            "select value from xcom where dag_id = %s and key = 'aws_job'", cell.name
        )
        return told and told[0][0]

    return until(known, cell.name)["job_id"]


every_kind_and_mode = pytest.mark.parametrize(
    ("kind", "mode"), [(kind, mode) for kind in KINDS for mode in MODES]
)


@every_kind_and_mode
def test_a_job_stopped_by_somebody_else_is_no_success(here, cells, kind, mode):
    cell = cells["stopped", kind, mode]
    job_id = running_job(here, cell)
    client = here.cloud.client(REGISTRY[kind].service)
    REGISTRY[kind].stop(client, job_id)
    ends(here, cell, "failed")
    assert len(cell.jobs(here.cloud)) == 1
    assert "topped" in cell.log(here.airflow) or "CANCELLED" in cell.log(here.airflow)


@pytest.fixture(scope="module")
def attached(here, cells):
    """Clear the tasks of all jobs that run, and wait for the ends."""
    long = [cell for (what, *_), cell in cells.items() if what == "attach"]
    here.start(long)
    for cell in long:
        running_job(here, cell)
    for cell in long:
        here.airflow.clear(cell.name, cell.run_id, TASK)
    return here.wait(long, WAIT_SECONDS)


@every_kind_and_mode
def test_a_clear_attaches_to_the_job_that_still_runs(here, cells, attached, kind, mode):
    cell = cells["attach", kind, mode]
    assert attached[cell.name] == "success", cell.log(here.airflow)
    assert "Attached" in cell.log(here.airflow)
    assert len(cell.jobs(here.cloud)) == 1, cell.log(here.airflow)


@every_kind_and_mode
def test_a_clear_of_a_success_starts_a_second_job(here, cells, kind, mode):
    cell = cells["again", kind, mode]
    ends(here, cell, "success")
    assert len(cell.jobs(here.cloud)) == 1
    here.airflow.clear(cell.name, cell.run_id, TASK)
    until(lambda: len(cell.jobs(here.cloud)) == 2, cell.log(here.airflow), 120)
    ends(here, cell, "success")
    assert len(cell.jobs(here.cloud)) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", REFUSED)
def test_what_aws_refuses_for_good_fails_at_once(here, cells, kind, what):
    cell = cells[what, kind, "sync"]
    ends(here, cell, "failed")
    assert cell.port.strikes == 1, cell.log(here.airflow)
    assert f"Injected: {REFUSED[what].value}" in cell.log(here.airflow)
    assert cell.tries(here.airflow) == 1, cell.log(here.airflow)
    assert cell.jobs(here.cloud) == []


def test_an_unknown_application_fails_at_once(here, cells):
    cell = cells["unknown", "emr_serverless", "sync"]
    ends(here, cell, "failed")
    log = cell.log(here.airflow)
    assert cell.tries(here.airflow) == 1, log
    assert UNKNOWN in log or "ResourceNotFoundException" in log
