"""Stop means stop: what becomes of a job when something is done to the task that waits for it.

A real Airflow of the version whose Python AIRFLOW_PYTHON names, on the local AWS. All scenes run at
once: their tasks wait, the triggerer goes down and comes back in every way, then something is done
to each task, then the tests look at the jobs.
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from scenes import BUCKET, RUNNING, STOPPED, Job, Late, Scene, script
from stack import Airflow, until

from airflow_ml_provider.local.server import LocalAws

DAGS = Path(__file__).with_name("stop_dags")
# Two cores that start all of it are slow, and nothing dies here whose death has to be found.
PATIENT = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "120",
}
READY_SECONDS = 180.0
SETTLED_SECONDS = 90.0
TIMED = ("task_time_over", "run_time_over")
ACTIONS = ("failed", "success", "run_failed", "deleted", *TIMED)
BOTH = (False, True)
STOPS = [
    *(Scene(action, deferrable=how) for action in ACTIONS for how in BOTH),
    *(Scene("failed", deferrable=how, kind="glue") for how in BOTH),
    Scene("run_failed", deferrable=True, mapped=8, note="many"),
]
LEAVES = [
    *(Scene(one, deferrable=False, stop_on_kill=False) for one in ("failed", "task_time_over")),
    *(Scene(one, deferrable=True, stop_on_kill=False) for one in ("failed", "run_failed", *TIMED)),
]
CLEARS = [
    Scene("cleared", deferrable=how, kind=kind)
    for kind in ("sagemaker_processing", "glue")
    for how in BOTH
]
ATTACHES = [Scene("cleared", deferrable=how, stop_on_kill=False) for how in BOTH]
LATE = [Scene(action, deferrable=False) for action in ("late_request", "late_answer")]
SURVIVORS = [
    Scene("survives", deferrable=True, kind=kind) for kind in ("sagemaker_processing", "glue")
]


@dataclass
class World:
    airflow: Airflow
    late: Late
    client: Any
    flag: Path
    runs: dict[Scene, str]

    def start(self, scenes):
        for scene in scenes:
            self.runs[scene] = self.airflow.trigger(scene.dag_id)

    def task(self, scene):
        return self.airflow.task(scene.dag_id, self.runs[scene], "job")

    def jobs(self, scene) -> list[Job]:
        return scene.jobs(self.client)

    def waits(self, scene) -> bool:
        """Whether all of the scene's jobs run and its tasks wait for them."""
        states = {state for (state,) in self._states(scene)}
        return states == {"deferred" if scene.deferrable else "running"} and self.run(scene)

    def run(self, scene) -> bool:
        jobs = self.jobs(scene)
        return len(jobs) == (scene.mapped or 1) and {job.status for job in jobs} <= RUNNING

    def act(self, scene):
        act = getattr(self, f"_{scene.action}", None)
        if act:
            act(scene.dag_id, self.runs[scene])

    def why(self, scene) -> str:
        run_id = self.runs[scene]
        logs = "\n".join(self.airflow.log(scene.dag_id, run_id, "job", n) for n in (1, 2))
        return f"{scene.dag_id}: {self.jobs(scene)} {self.task(scene)}\n{logs[-6000:]}"

    def _states(self, scene):
        query = "select state from task_instance where dag_id = %s and run_id = %s"
        return self.airflow.sql(query, scene.dag_id, self.runs[scene])

    def _failed(self, dag_id, run_id):
        self.airflow.mark(dag_id, run_id, "job", "failed")

    _late_request = _late_answer = _failed

    def _success(self, dag_id, run_id):
        self.airflow.mark(dag_id, run_id, "job", "success")

    def _cleared(self, dag_id, run_id):
        self.airflow.clear(dag_id, run_id, "job")

    def _run_failed(self, dag_id, run_id):
        self.airflow.mark_run(dag_id, run_id, "failed")

    def _deleted(self, dag_id, run_id):
        if self.airflow.version >= (3, 2):
            # It deletes no run that goes on: it has to be ended first, and both at once is worst.
            with pytest.raises(RuntimeError, match="cannot be deleted in running state"):
                self.airflow.delete_run(dag_id, run_id)
            self._run_failed(dag_id, run_id)
        self.airflow.delete_run(dag_id, run_id)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stop")
    flag = folder / "go"
    scenes = [*STOPS, *LEAVES, *CLEARS, *ATTACHES, *LATE, *SURVIVORS]
    with LocalAws(state_dir=folder / "aws", max_jobs=200) as aws:
        late = aws._server.app = Late(aws._server.app)
        login = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}

        @cache
        def client(service):
            place = {"endpoint_url": aws.endpoint_url, "region_name": "us-east-1"}
            return boto3.client(service, **place, **login)

        client("s3").create_bucket(Bucket=BUCKET)
        client("s3").put_object(Bucket=BUCKET, Key="wait.py", Body=script(flag))
        env = {**PATIENT, "STOP_DAGS": json.dumps([scene.told(flag) for scene in scenes])}
        with Airflow(folder / "airflow", DAGS, env=env, parallelism=24) as airflow:
            extra = {"endpoint_url": aws.endpoint_url, "region_name": "us-east-1"}
            connection = {"connection_id": "aws_default", "conn_type": "aws"}
            secrets = {"login": "local", "password": "local", "extra": json.dumps(extra)}
            airflow.call("connections", {**connection, **secrets})
            yield World(airflow, late, client, flag, {})


@pytest.fixture(scope="module")
def waiting(world):
    """All tasks wait for their jobs, but those whose time will be over."""
    scenes = [*STOPS, *LEAVES, *CLEARS, *ATTACHES, *SURVIVORS]
    scenes = [scene for scene in scenes if scene.action not in TIMED]
    world.start(scenes)
    for scene in scenes:
        until(lambda scene=scene: world.waits(scene), scene.dag_id, READY_SECONDS)
    return world


@pytest.fixture(scope="module")
def acted(waiting):
    """Something has been done to every task."""
    late = [*LATE, *(scene for scene in (*STOPS, *LEAVES) if scene.action in TIMED)]
    waiting.start(late)
    for scene in waiting.runs:
        if scene.action in waiting.late.submitting:
            assert waiting.late.submitting[scene.action].wait(READY_SECONDS), scene.dag_id
        waiting.act(scene)
    return waiting


def _names(scenes):
    return [pytest.param(scene, id=scene.dag_id) for scene in scenes]


def _newest_triggerer(airflow):
    query = "select max(id) from job where job_type = 'TriggererJob' and state = 'running'"
    return airflow.sql(query)[0][0]


def _count(world, word):
    """Count how often triggerers said so of the first survivor's trigger."""
    survivor = SURVIVORS[0]
    told = world.airflow.log(survivor.dag_id, world.runs[survivor], "job", 1)
    for log in world.airflow.folder.glob("triggerer*.log"):
        told += log.read_text(errors="replace")
    return sum(f"{survivor.dag_id}/" in line and word in line for line in told.splitlines())


def _until_taken_over(world, newest, starts):
    """Wait until a triggerer younger than ``newest`` has all triggers and has started them."""

    def taken_over():
        query = "select distinct triggerer_id from trigger"
        owners = [owner for (owner,) in world.airflow.sql(query)]
        younger = len(owners) == 1 and owners[0] is not None and owners[0] > newest
        return younger and _count(world, "starting") > starts

    until(taken_over, "the triggers' new owner")


def _assert_all_wait(world):
    for scene in world.runs:
        if scene.deferrable:
            assert world.waits(scene), world.why(scene)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_triggerer_that_is_restarted_stops_nothing(waiting, how):
    newest, starts = _newest_triggerer(waiting.airflow), _count(waiting, "starting")

    waiting.airflow.kill("triggerer", how, family=how == signal.SIGKILL)
    waiting.airflow.start("triggerer")

    _until_taken_over(waiting, newest, starts)
    _assert_all_wait(waiting)


def test_a_triggerer_whose_triggers_were_taken_over_stops_nothing(waiting):
    airflow = waiting.airflow
    newest, starts = _newest_triggerer(airflow), _count(waiting, "starting")
    completed = _count(waiting, "completed")
    frozen = airflow.family("triggerer")
    for process in frozen:
        process.suspend()
    airflow.start("triggerer-2")
    _until_taken_over(waiting, newest, starts)

    for process in frozen:
        process.resume()

    until(lambda: _count(waiting, "completed") > completed, "the end of what was taken over")
    _assert_all_wait(waiting)


@pytest.mark.parametrize("scene", _names([*STOPS, *LATE]))
def test_it_stops_the_job(acted, scene):
    def stopped():
        jobs = acted.jobs(scene)
        return len(jobs) == (scene.mapped or 1) and {job.status for job in jobs} <= STOPPED

    _until(acted, scene, stopped)


def _clear_again(world, scene):
    """Clear it once more on 3.0, which leaves a task that was cleared as it ran `restarting`.

    See https://github.com/apache/airflow/issues/55045
    """
    if world.airflow.version[:2] == (3, 0) and not scene.deferrable:

        def stuck():
            told = world.airflow.log(scene.dag_id, world.runs[scene], "job", 1)
            return "Task killed!" in told and world.task(scene).state == "restarting"

        _until(world, scene, stuck)
        world.act(scene)


@pytest.mark.parametrize("scene", _names(CLEARS))
def test_a_cleared_task_starts_one_job_when_the_old_one_has_ended(acted, scene):
    _clear_again(acted, scene)

    def afresh():
        jobs = acted.jobs(scene)
        waits = acted.task(scene).state == ("deferred" if scene.deferrable else "running")
        return waits and len(jobs) == 2 and jobs[1].status in RUNNING

    _until(acted, scene, afresh)
    old, new = acted.jobs(scene)
    assert old.status in STOPPED
    assert new.began >= old.ended


@pytest.mark.parametrize("scene", _names(ATTACHES))
def test_a_cleared_task_attaches_to_the_job_that_it_was_to_leave(acted, scene):
    _clear_again(acted, scene)

    _until(acted, scene, lambda: acted.task(scene).try_number > 1 and acted.waits(scene))


@pytest.mark.parametrize("scene", _names(LEAVES))
def test_it_leaves_the_job_if_it_is_told_so(acted, scene):
    def ended():
        task = acted.task(scene)
        return task is None or task.state in {"failed", "success", "skipped"}

    _until(acted, scene, ended)
    assert acted.run(scene), acted.why(scene)


def test_what_runs_on_ends_well(acted):
    acted.flag.touch()

    for scene in (*LEAVES, *CLEARS, *ATTACHES, *SURVIVORS):

        def completed(scene=scene):
            return acted.jobs(scene)[-1].status in {"Completed", "SUCCEEDED"}

        _until(acted, scene, completed)
        assert len(acted.jobs(scene)) == (2 if scene in CLEARS else 1), acted.why(scene)
    for scene in (*CLEARS, *ATTACHES, *SURVIVORS):
        _until(acted, scene, lambda scene=scene: acted.task(scene).state == "success")


def _until(world, scene, answer):
    try:
        until(answer, scene.dag_id, SETTLED_SECONDS)
    except AssertionError:
        pytest.fail(f"not within {SETTLED_SECONDS:.0f} s: {world.why(scene)}")
