"""`docker-compose up` as it is: built, started, used, disturbed, taken down."""

from __future__ import annotations

import time

import pytest
from browser import show
from compose_stack import DEFAULT, Stack, started, until

PAUSE_SECONDS = 20
RESTART_SECONDS = 120
LIMIT_GIB = 4.0
ONE_SHOT = ("init", "warehouse")
NEW_DAG = """
from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import AwsCall, Pipeline

call = AwsCall("who", service="sts", action="get_caller_identity", request={})
dag = pipeline_dag(Pipeline("dropped_in", root="s3://flight-delays/ml", steps=[call]))
"""


@pytest.fixture(scope="module")
def stack(images, tmp_path_factory):
    with started(Stack(tmp_path_factory.mktemp("checkout"), images), *DEFAULT) as stack:
        yield stack


def killed(stack, service):
    """Kill a part and wait until it has come back."""
    stack.kill(service)
    until(lambda: stack.inspect(service)["RestartCount"] == 1, service, RESTART_SECONDS)
    stack.is_well(service)


@pytest.fixture(scope="module")
def history(stack):
    """The first run: the scheduler is killed while Spark runs."""
    run = stack.trigger("flight_delays_history")
    run.reaches("daily", "deferred")
    assert list(stack.jobs().values()) == [["RUNNING"]]
    killed(stack, "scheduler")
    run.ends()
    return run


@pytest.fixture(scope="module")
def daily(stack, history):
    """The second: the triggerer is killed while Spark runs, AWS is paused during the training."""
    run = stack.trigger("flight_delays", "2013-08-30T12:00:00Z")
    run.reaches("daily", "deferred")
    assert ["RUNNING"] in stack.jobs().values()
    killed(stack, "triggerer")
    run.reaches("train", "deferred")
    stack.compose("pause", "aws")
    paused = time.time()
    time.sleep(PAUSE_SECONDS)
    stack.compose("unpause", "aws")
    run.ends()
    name = run.xcom("train")["job_id"]
    job = stack.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["TrainingEndTime"].timestamp() > paused, "it was over before the pause"
    return run


def test_every_part_is_healthy(stack, saw):
    for service in DEFAULT:
        assert stack.inspect(service)["State"]["Health"]["Status"] == "healthy"
    for service in ONE_SHOT:
        assert stack.inspect(service)["State"]["ExitCode"] == 0
    saw(", ".join(DEFAULT))


def test_ports_are_published_on_loopback_alone(stack, saw):
    ports = {}
    for service in DEFAULT:
        for published in stack.inspect(service)["NetworkSettings"]["Ports"].values():
            ports |= {one["HostPort"]: one["HostIp"] for one in published or ()}
    assert ports == {str(stack.ui_port): "127.0.0.1", str(stack.aws_port): "127.0.0.1"}
    saw("127.0.0.1 for the UI and the local AWS, no other")


def test_no_part_is_root_or_privileged(stack, saw):
    for service in DEFAULT:
        host = stack.inspect(service)["HostConfig"]
        assert not host["Privileged"]
        assert not host["CapAdd"]
    for service in DEFAULT[1:]:
        assert stack.compose("exec", "-T", service, "id", "-u") != "0"
    saw("user 1000, no capability added")


def test_the_dags_are_there_with_no_import_error(stack, saw):
    until(lambda: {"flight_delays", "flight_delays_history"} <= stack.dags(), "the DAGs", 120)
    assert stack.call("importErrors")["import_errors"] == []
    saw(", ".join(sorted(stack.dags())))


def test_a_dag_that_is_dropped_in_is_parsed_and_runs(stack, saw):
    (stack.folder / "dags/dropped_in.py").write_text(NEW_DAG)
    run = stack.trigger("dropped_in")
    assert run.ends() == "success"
    assert run.xcom("who")["Account"] == "123456789012"
    saw("within seconds, no restart")


def test_a_changed_package_is_used_by_the_next_task(stack, saw):
    module = stack.folder / "airflow_ml_provider/__init__.py"
    module.write_text(module.read_text() + "\nEDITED = 'yes'\n")
    code = "import airflow_ml_provider; print(airflow_ml_provider.EDITED)"
    assert stack.compose("exec", "-T", "scheduler", "python", "-c", code) == "yes"
    saw("airflow_ml_provider/ is mounted")


def test_a_run_outlives_the_kill_of_the_scheduler(history, saw):
    assert history.state == "success", history.states
    assert set(history.states.values()) == {"success"}
    saw("flight_delays_history: " + ", ".join(history.states))


def test_a_run_outlives_the_kill_of_the_triggerer_and_a_pause_of_aws(daily, saw):
    assert daily.state == "success", daily.states
    assert daily.xcom("good_enough")["decision"] is True
    assert daily.states["register"] == "success"
    saw(f"flight_delays: {daily.xcom('register')['ModelPackageArn'].split(':')[-1]}")


def test_no_job_was_started_twice(stack, history, daily, saw):
    jobs = stack.jobs()
    assert jobs.pop("training") == ["Completed"]
    assert jobs.pop("processing") == ["Completed"] * 2
    # One Glue job a pipeline, one run of it a DAG run.
    assert list(jobs.values()) == [["SUCCEEDED"]] * 2
    saw("1 training job, 2 processing jobs, 2 Glue runs")


def test_no_task_was_tried_more_often_than_its_process_was_killed(history, daily, saw):
    tries = {
        f"{run.dag_id}.{name}": task["try_number"]
        for run in (history, daily)
        for name, task in run.tasks.items()
    }
    assert all(number <= 2 for number in tries.values()), tries
    saw(f"second tries: {sum(number == 2 for number in tries.values())}")


@pytest.mark.parametrize("view", ["Graph", "Grid"])
def test_the_browser_shows_it(daily, view, pictures, saw):
    picture = show(daily, view, pictures)
    # An empty page of that size has 5 kB.
    assert picture.stat().st_size > 40_000
    saw(f"build/compose/{picture.name}")


def test_the_memory_of_all_stays_below_the_limit(stack, daily, saw):
    peak = 0
    for service in DEFAULT:
        known = stack.inspect(service)
        assert not known["State"]["OOMKilled"], service
        peak += known["HostConfig"]["Memory"]
    assert peak <= LIMIT_GIB * 2**30
    saw(f"limits: {peak / 2**30:.1f} GiB in all")


def test_a_taken_port_is_named(stack, saw):
    """Compose itself says it; docker/preflight.py says it before anything is made."""
    other = Stack(stack.folder, stack.images, project="airflow-ml-e2e-taken")
    other.ui_port = stack.ui_port
    try:
        with pytest.raises(RuntimeError, match=r"port is already allocated|address already in use"):
            other.compose("run", "--rm", "--no-deps", "--service-ports", "api-server")
    finally:
        other.down()
    saw("Docker: port is already allocated")
