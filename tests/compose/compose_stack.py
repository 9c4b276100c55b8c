"""The stack of docker-compose.yaml as a person sees it: Compose's commands, REST, the AWS port."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import boto3
from docker_engine import docker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REPOSITORY = Path(__file__).parents[2]
# What Docker needs of a checkout; a copy of it, so that a test may change DAGs.
PARTS = (
    *("docker-compose.yaml", "docker", ".dockerignore", "dags", "airflow_ml_provider"),
    *("pyproject.toml", "constraints.txt", "README.md", "LICENSE"),
)
IMAGE = "airflow-ml-provider"
START_SECONDS = 600.0
RUN_SECONDS = 600.0
LOG_LINES = 60
DEFAULT = ("postgres", "api-server", "scheduler", "dag-processor", "triggerer", "aws")
ENDED = ("success", "failed")


def free_port() -> int:
    """Give a port of loopback that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def compose() -> str:
    """Give the command of Compose: the variable's, or the older one, as preflight.py does."""
    found = "docker-compose" if shutil.which("docker-compose") else "docker compose"
    return os.environ.get("COMPOSE") or found


@dataclass(frozen=True)
class Run:
    """A DAG run."""

    stack: Stack
    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        return f"dags/{self.dag_id}/dagRuns/{quote(self.run_id)}"

    @property
    def state(self) -> str:
        return str(self.stack.call(self.path)["state"])

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        tasks = self.stack.call(f"{self.path}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in tasks}

    @property
    def states(self) -> dict[str, str | None]:
        return {name: task["state"] for name, task in self.tasks.items()}

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        entry = f"{self.path}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.stack.call(entry)["value"]

    def reaches(self, task_id: str, *states: str) -> None:
        """Wait until a task is in one of the states."""

        def reached() -> bool:
            assert self.state not in ENDED, f"{self.dag_id} ended before: {self.states}"
            return self.states.get(task_id) in states

        until(reached, f"{task_id} {states}: {self.run_id}", RUN_SECONDS)

    def ends(self) -> str:
        """Wait for its end."""
        until(lambda: self.state in ENDED, lambda: self.states, RUN_SECONDS)
        return self.state


@dataclass
class Stack:
    """One Compose project on free ports, in a copy of the repository."""

    folder: Path
    images: Mapping[str, str]
    project: str = "airflow-ml-e2e"
    env_file: str | None = None
    ui_port: int = field(default_factory=free_port)
    aws_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ui_port}"

    @property
    def environment(self) -> dict[str, str]:
        ports = {"UI_PORT": str(self.ui_port), "AWS_PORT": str(self.aws_port)}
        return {**os.environ, **self.images, **ports}

    def copy(self) -> None:
        """Copy the repository's parts to the folder."""
        for name in PARTS:
            source, goal = REPOSITORY / name, self.folder / name
            if source.is_dir():
                shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, goal)

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run Compose in the folder and give what it prints."""
        command = [
            *compose().split(),
            *("--project-name", self.project),
            *(("--env-file", self.env_file) if self.env_file else ()),
            *arguments,
        ]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}:\n{done.stdout[-6000:]}\n{self.logs()}")
        return done.stdout.strip()

    def up(self, *services: str) -> None:
        """Start all parts and wait until each is healthy."""
        self.compose("up", "--detach")
        for service in services:
            self.is_well(service)

    def is_well(self, service: str) -> None:
        """Wait until a part is healthy."""
        until(
            lambda: self.inspect(service)["State"].get("Health", {}).get("Status") == "healthy",
            lambda: f"{service} is healthy:\n{self.logs(service)}",
            START_SECONDS,
        )

    def down(self) -> None:
        """Take it down with its volumes."""
        self.compose("down", "--volumes", "--remove-orphans")

    def container(self, service: str) -> str:
        """Give the container's id, which may have ended."""
        lines = self.compose("ps", "--all", "-q", service).splitlines()
        return lines[-1] if lines else ""

    def inspect(self, service: str) -> dict[str, Any]:
        """Give what the engine knows of a part's container."""
        return dict(json.loads(docker("inspect", self.container(service)))[0])

    def kill(self, service: str) -> None:
        """Kill all processes of a part but tini, as the machine's memory killer would."""
        self.compose("exec", "-T", service, "sh", "-c", "kill -9 -1", check=False)

    def logs(self, *services: str) -> str:
        """Give the ends of the parts' logs."""
        try:
            return self.compose("logs", "--no-color", f"--tail={LOG_LINES}", *services, check=False)
        except OSError as error:
            return str(error)

    def call(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Call Airflow's REST API."""
        with urlopen(f"{self.url}/auth/token", timeout=60) as answer:
            token = json.load(answer)["access_token"]
        request = Request(
            f"{self.url}/api/v2/{path}",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
            method=method,
        )
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def dags(self) -> set[str]:
        """Give the ids of all DAGs."""
        return {dag["dag_id"] for dag in self.call("dags")["dags"]}

    def trigger(self, dag_id: str, logical_date: str | None = None) -> Run:
        """Start a run as soon as the DAG is known."""
        until(lambda: dag_id in self.dags(), f"the DAG {dag_id}", START_SECONDS)
        self.call(f"dags/{dag_id}", {"is_paused": False}, "PATCH")
        run = self.call(f"dags/{dag_id}/dagRuns", {"logical_date": logical_date})
        return Run(self, dag_id, run["dag_run_id"])

    def client(self, service: str) -> Any:
        """Give a boto3 client of the local AWS by its published port."""
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.aws_port}",
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def jobs(self) -> dict[str, list[str]]:
        """Give the states of all jobs that AWS was ever asked to run, by their kind and step."""
        found: dict[str, list[str]] = {}
        sagemaker, glue = self.client("sagemaker"), self.client("glue")
        for kind in ("Training", "Processing"):
            pages = sagemaker.get_paginator(f"list_{kind.lower()}_jobs").paginate()
            for page in pages:
                for job in page[f"{kind}JobSummaries"]:
                    found.setdefault(kind.lower(), []).append(job[f"{kind}JobStatus"])
        for page in glue.get_paginator("get_jobs").paginate():
            for job in page["Jobs"]:
                for run in glue.get_job_runs(JobName=job["Name"])["JobRuns"]:
                    found.setdefault(job["Name"], []).append(run["JobRunState"])
        return found


# Their logs are shown where a test fails.
RUNNING: list[Stack] = []


def until(holds: Callable[[], Any], what: Any, seconds: float) -> None:
    """Ask until the answer is true; Airflow may be away meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except OSError as error:
            said: Any = error
        else:
            said = None
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {seconds:.0f} s: {text} {said or ''}")
        time.sleep(2)


@contextmanager
def started(stack: Stack, *services: str) -> Iterator[Stack]:
    """Start a stack until the services are healthy, and take it down in the end.

    Its images get lost before, so that Compose makes them as in a new checkout; the layers stay.
    """
    stack.copy()
    preflight = [sys.executable, stack.folder / "docker/preflight.py"]
    subprocess.run(preflight, env=stack.environment, check=True)
    names = docker("images", "--format", "{{.Repository}}:{{.Tag}}", IMAGE).split()
    if names:
        docker("rmi", "--force", "--no-prune", *names)
    RUNNING.append(stack)
    try:
        stack.up(*services)
        yield stack
    except BaseException:
        # Before they are gone.
        sys.stdout.write(stack.logs())
        raise
    finally:
        stack.down()
        RUNNING.remove(stack)
    label = f"label=com.docker.compose.project={stack.project}"
    left = {
        "containers": docker("ps", "--all", "--quiet", "--filter", label),
        "volumes": docker("volume", "ls", "--quiet", "--filter", label),
        "networks": docker("network", "ls", "--quiet", "--filter", label),
    }
    assert not any(left.values()), left
