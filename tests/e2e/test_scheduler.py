"""Airflow as users run it: `airflow-ml ui` with its scheduler and triggerer, by its REST API."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from urllib.request import Request, urlopen

import boto3
import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DAGS = Path(__file__).with_name("dags")
URL = re.compile(r"http://127\.0\.0\.1:\d+(?![\d/])")
STRANGE = ("AIRFLOW", "AWS_", "JAVA")
RUN_SECONDS = 300.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Ui:
    url: str
    aws_url: str
    printed: str

    def call(self, path: str, body: Any = None, method: str | None = None) -> Any:
        with urlopen(f"{self.url}/auth/token") as answer:
            token = json.load(answer)["access_token"]
        request = Request(
            f"{self.url}/{path}",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
            method=method,
        )
        with urlopen(request) as answer:
            return json.load(answer)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.aws_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )


@dataclass(frozen=True)
class Run:
    ui: Ui
    path: str
    deferred: set[str] = field(default_factory=set)

    @property
    def state(self) -> str:
        return self.ui.call(self.path)["state"]

    @property
    def states(self) -> dict[str, str | None]:
        tasks = self.ui.call(f"{self.path}/taskInstances")["task_instances"]
        return {_named(task): task["state"] for task in tasks}

    @property
    def tries(self) -> dict[str, int]:
        tasks = self.ui.call(f"{self.path}/taskInstances")["task_instances"]
        return {_named(task): task["try_number"] for task in tasks}

    def xcom(self, task_id: str, key: str = "return_value", index: int = -1) -> Any:
        entry = f"{self.path}/taskInstances/{task_id}/xcomEntries/{key}?map_index={index}"
        return self.ui.call(entry)["value"]

    def links(self, task_id: str) -> dict[str, str]:
        return self.ui.call(f"{self.path}/taskInstances/{task_id}/links")["extra_links"]

    def log(self, task_id: str, index: int = -1) -> str:
        """Read the log of the last try: a busy scheduler may have started a task anew."""
        number = self.tries[f"{task_id}[{index}]" if index >= 0 else task_id]
        log = f"{self.path}/taskInstances/{task_id}/logs/{number}?map_index={index}"
        return json.dumps(self.ui.call(log))

    def ends(self) -> str:
        """Wait for the end; ``deferred`` keeps the tasks that were seen so meanwhile."""

        def ended() -> str | None:
            self.deferred.update(task for task, state in self.states.items() if state == "deferred")
            return self.state if self.state in {"success", "failed"} else None

        return until(ended, self.path)


def _named(task: dict[str, Any]) -> str:
    index = task["map_index"]
    return f"{task['task_id']}[{index}]" if index >= 0 else task["task_id"]


def until(answer: Callable[[], Any], asked: Any, seconds: float = RUN_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (given := answer()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {asked}"
        time.sleep(0.5)
    return given


def trigger(ui: Ui, dag_id: str, logical_date: str | None = None) -> Run:
    ui.call(f"api/v2/dags/{dag_id}", {"is_paused": False}, "PATCH")
    run = ui.call(f"api/v2/dags/{dag_id}/dagRuns", {"logical_date": logical_date})
    return Run(ui, f"api/v2/dags/{dag_id}/dagRuns/{quote(run['dag_run_id'])}")


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    warehouse = home / "warehouse.db"
    with sqlite3.connect(warehouse) as database:
        database.execute("create table points (day text, x real, y real)")
        points = [(f"2026-01-0{day}", x, 2.0 * x) for day in (1, 2, 3) for x in range(1, 9)]
        database.executemany("insert into points values (?, ?, ?)", points)
    database.close()
    command = [
        *(Path(sys.executable).with_name("airflow-ml"), "ui", "--dags", DAGS, "--home", home),
        *("--sqlite", f"warehouse={warehouse}", "--port", "0", "--bucket", "lake"),
        *("--topic", "team"),
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith(STRANGE)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            printed = ""
            while "Ctrl-C" not in printed:
                # It gives up by itself if Airflow does not come up.
                line = process.stdout.readline()
                assert line, printed
                printed += line
            url, aws_url = URL.findall(printed)[:2]
            family = psutil.Process(process.pid).children(recursive=True)
            yield Ui(url, aws_url, printed)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0
        alive = [one for one in family if one.is_running()]
        assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


@pytest.fixture(scope="module")
def echo(ui):
    """A Lambda function that answers its event, and the points of a model."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", "def answer(event, context):\n    return event\n")
    role = ui.client("iam").create_role(RoleName="functions", AssumeRolePolicyDocument="{}")
    ui.client("lambda").create_function(
        FunctionName="echo",
        Runtime="python3.11",
        Role=role["Role"]["Arn"],
        Handler="app.answer",
        Code={"ZipFile": package.getvalue()},
    )
    ui.client("s3").put_object(Bucket="lake", Key="points/points.txt", Body=b"1 2\n2 4\n")


@pytest.fixture(scope="module")
def runs(ui, echo):
    return {
        "works": trigger(ui, "works", "2026-01-03T12:00:00Z"),
        "fails": trigger(ui, "fails"),
        "waits": trigger(ui, "waits"),
        "shapes": trigger(ui, "shapes"),
    }


@pytest.fixture(scope="module")
def works(runs):
    run = runs["works"]
    assert run.ends() == "success", run.states
    return run


def test_it_says_where_the_dags_are(ui):
    for dag_id in ("works", "fails", "waits", "shapes", "holds"):
        assert f"{ui.url}/dags/{dag_id}" in ui.printed


def test_every_task_does_its_work(works):
    assert works.states == {
        **dict.fromkeys(["rows", "halves", "train", "evaluate", "good_enough"], "success"),
        "register": "success",
        "tell": "skipped",
    }


def test_jobs_are_waited_for_in_the_triggerer(works):
    # Not read from the logs: if the scheduler is late to see that a task has deferred, it takes the
    # resumed one for failed, and the next try adopts the job without waiting at all.
    assert works.deferred == {"halves", "train", "evaluate"}


def test_the_interval_is_the_day_before_the_logical_date(works):
    assert works.ui.call(works.path)["data_interval_start"] == "2026-01-02T00:00:00Z"
    assert works.xcom("rows")["rows"] == 8
    assert works.xcom("rows")["uri"] == "s3://lake/ml/works/20260102T000000/rows/output/"


def test_xcoms_hold_what_aws_says_of_the_job(works):
    trained = works.xcom("train")
    job = works.ui.client("sagemaker").describe_training_job(TrainingJobName=trained["job_id"])
    assert trained["status"] == job["TrainingJobStatus"] == "Completed"
    assert trained["ModelArtifacts"] == job["ModelArtifacts"]
    report = works.xcom("evaluate", "report")
    assert report["regression_metrics"]["mae"]["value"] == pytest.approx(0)
    assert works.xcom("good_enough")["decision"] is True


def test_links_lead_to_the_job_and_its_log(works):
    name = works.xcom("train")["job_id"]
    links = works.links("train")
    console = "https://us-east-1.console.aws.amazon.com"
    assert links["AWS job"] == f"{console}/sagemaker/home?region=us-east-1#/jobs/{name}"
    assert links["AWS log"].startswith(f"{console}/cloudwatch/home?region=us-east-1#logsV2:")


def test_the_log_of_the_job_is_in_the_log_of_the_task(works):
    assert "slope=2.000;" in works.log("train")
    assert "8 points in halves" in works.log("halves")


def test_the_model_is_registered(works):
    package = works.ui.client("sagemaker").describe_model_package(
        ModelPackageName=works.xcom("register")["ModelPackageArn"]
    )
    assert package["ModelPackageGroupName"] == "points"
    container = package["InferenceSpecification"]["Containers"][0]
    assert container["ModelDataUrl"] == works.xcom("train")["ModelArtifacts"]["S3ModelArtifacts"]


def test_a_failed_job_fails_the_task_with_the_reason_of_aws(runs):
    run = runs["fails"]
    assert run.ends() == "failed"
    assert run.states == {"broken": "failed"}
    name = run.xcom("broken", "aws_job")["job_id"]
    job = run.ui.client("sagemaker").describe_processing_job(ProcessingJobName=name)
    log = run.log("broken")
    assert "the column speed is missing, exit code: 3" in job["FailureReason"]
    assert json.dumps(job["FailureReason"])[1:-1] in log
    assert run.links("broken")["AWS job"] in log


def test_the_log_of_a_job_is_followed_while_its_task_is_deferred(runs):
    run = runs["waits"]
    until(lambda: "waiting for a signal" in run.log("endless"), run.states)
    assert run.states["endless"] == "deferred"


def test_marking_a_deferred_task_as_failed_stops_its_job(runs):
    run = runs["waits"]
    until(lambda: run.states["endless"] == "deferred", run.states)
    name = run.xcom("endless", "aws_job")["job_id"]
    client = run.ui.client("sagemaker")

    def status() -> str:
        return client.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"]

    assert status() == "InProgress"
    run.ui.call(f"{run.path}/taskInstances/endless", {"new_state": "failed"}, "PATCH")

    until(lambda: status() == "Stopped", name, STOP_SECONDS)
    assert run.ends() == "failed"


@pytest.fixture(scope="module")
def asked(runs):
    """All is done of a pipeline of every shape but what waits for an approval."""
    run = runs["shapes"]
    goal = {"approved": "deferred", "each.end": "success", "repair": "success"}
    until(lambda: run.state == "failed" or goal.items() <= run.states.items(), goal)
    assert goal.items() <= run.states.items()
    return run


def test_a_map_goes_item_by_item_and_its_choices_are_its_own(asked):
    states = asked.states
    assert {name: states[name] for name in states if "[" in name} == {
        **dict.fromkeys(["judge[0]", "judge[1]", "fine[0]", "fine[1]", "keep[1]"], "success"),
        "keep[0]": "skipped",
    }
    assert asked.xcom("keep", index=1) == {"name": "fine"}
    jobs = [
        asked.ui.client("sagemaker").describe_processing_job(ProcessingJobName=name)
        for name in (asked.xcom("judge", "aws_job", index)["job_id"] for index in (0, 1))
    ]
    first, second = sorted(jobs, key=lambda job: job["CreationTime"])
    assert first["ProcessingEndTime"] <= second["CreationTime"]


def test_a_fallback_runs_in_the_place_of_what_failed(asked):
    assert asked.states["fragile"] == "failed"
    assert asked.xcom("fragile.fallback") == "failed"
    assert asked.xcom("repair") == {"of": "fragile"}
    assert asked.states["last"] is None


def test_a_cleared_task_of_a_map_runs_anew_and_so_does_what_follows(asked):
    jobs = [asked.xcom("judge", "aws_job", index) for index in (0, 1)]
    tries = asked.tries
    dag, _, run_id = asked.path.rpartition("/dagRuns/")
    body = {
        "dry_run": False,
        "only_failed": False,
        "dag_run_id": unquote(run_id),
        "task_ids": [["judge", 1]],
        "include_downstream": True,
    }
    asked.ui.call(f"{dag}/clearTaskInstances", body)

    until(lambda: asked.states["each.end"] is None, asked.states)
    until(lambda: asked.states["each.end"] == "success", asked.states)
    again = {name for name, number in asked.tries.items() if number > tries[name]}
    assert again == {"judge[1]", "fine[1]", "keep[1]", "each.end"}
    assert [asked.xcom("judge", "aws_job", index) == jobs[index] for index in (0, 1)] == [
        True,
        False,
    ]
    assert asked.states["approved"] == "deferred"


def test_a_run_goes_on_when_the_model_is_approved(asked):
    package = asked.xcom("version")["ModelPackageArn"]
    asked.ui.client("sagemaker").update_model_package(
        ModelPackageArn=package, ModelApprovalStatus="Approved"
    )

    assert asked.ends() == "success", asked.states
    assert asked.xcom("approved")["ModelPackageArn"] == package
    assert asked.xcom("last") == {"said": "all"}


def test_marking_one_deferred_task_of_a_map_stops_its_job_alone(ui):
    run = trigger(ui, "holds")  # last: the local AWS runs no more jobs at once than there are cores
    until(lambda: [run.states.get(f"hold[{n}]") for n in (0, 1)] == ["deferred"] * 2, run.path)
    # Nobody could stop what no triggerer has taken over yet.
    until(lambda: all("waiting for a signal" in run.log("hold", n) for n in (0, 1)), run.path)
    names = [run.xcom("hold", "aws_job", index)["job_id"] for index in (0, 1)]
    client = run.ui.client("sagemaker")

    def status(name: str) -> str:
        return client.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"]

    run.ui.call(f"{run.path}/taskInstances/hold/1", {"new_state": "failed"}, "PATCH")

    until(lambda: status(names[1]) == "Stopped", names, STOP_SECONDS)
    assert status(names[0]) == "InProgress"
    assert run.states["hold[0]"] == "deferred"
    run.ui.call(run.path, {"state": "failed"}, "PATCH")
    until(lambda: status(names[0]) == "Stopped", names, STOP_SECONDS)
