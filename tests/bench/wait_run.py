"""One run of the waiting benchmark: a triggerer with so many jobs, from start to end."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.request import Request, urlopen

import boto3
from airflow.providers.amazon.aws.triggers.sagemaker import SageMakerTrigger
from wait_supervisor import Triggerer
from wait_triggerer import JustWaits

from airflow_ml_provider.jobs.sagemaker import TRAINING
from airflow_ml_provider.triggers.remote_job import RemoteJobTrigger

CONNECTION = "aws_bench"
IDLE_SECONDS = 5.0
SETTLE_SECONDS = 2.0
FLOOR_START_SECONDS, FLOOR_SECONDS = 10.0, 30.0
START_LIMIT_SECONDS = 900.0
STOCK_ATTEMPTS, LOG_LINES = 60, 5000  # what the operators give their triggers
SAMPLE_SHARE, SAMPLE_LIMIT = 0.2, 50
IMPORTS = {
    "stock": (
        *("airflow.providers.amazon.aws.triggers.sagemaker", "aiobotocore.session", "boto3"),
        "aiobotocore.httpsession",
    ),
    "ours": (
        *("airflow_ml_provider.triggers.remote_job", "airflow_ml_provider.aws.watcher", "boto3"),
        *("airflow_ml_provider.aws.clients", "airflow.providers.amazon.aws.hooks.base_aws"),
    ),
}
NOTHING = {"calls": {}, "of_ended": {}, "connections": 0, "asked": 0, "answer_seconds": 0.0}


class Server:
    """The local AWS in its own process, for the length of a ``with`` block."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("wait_server.py")), str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            sys.exit("the local AWS did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def ask(self, command: str, given: Any = None) -> Any:
        body = None if given is None else json.dumps(given).encode()
        with urlopen(Request(f"{self.url}/bench/{command}", body)) as answer:
            return json.load(answer)


@dataclass(frozen=True)
class Run:
    """One contestant with so many jobs, so old, in a region of its own."""

    contestant: str
    size: int
    age_seconds: float
    poll_seconds: int
    region: str

    @property
    def name(self) -> str:
        return f"{self.contestant}-{self.size}-{'old' if self.age_seconds else 'young'}"

    @property
    def jobs(self) -> list[str]:
        return [f"{self.name}-{number:04}" for number in range(1, self.size + 1)]

    def trigger(self, job: str, began: float) -> Any:
        if self.contestant == "stock":
            return SageMakerTrigger(
                job_name=job,
                job_type="Training",
                waiter_delay=self.poll_seconds,
                waiter_max_attempts=STOCK_ATTEMPTS,
                aws_conn_id=CONNECTION,
            )
        return RemoteJobTrigger(
            kind="sagemaker_training",
            job_id=job,
            deadline=began + 86_400,
            began=began,
            logs=[(one.group, one.prefix) for one in TRAINING.logs(job, {})],
            log_lines=LOG_LINES,
            aws_conn_id=CONNECTION,
            poll_seconds=self.poll_seconds,
        )


class Costs:
    """What a triggerer used up between marks."""

    def __init__(self, server: Server, run: Run, triggerer: Triggerer) -> None:
        self._server, self._run, self._triggerer = server, run, triggerer
        self._marks: dict[str, dict[str, Any]] = {}

    def mark(self, name: str) -> None:
        cpu = {"at": time.time(), "cpu": self._triggerer.cpu_seconds()}
        self._marks[name] = cpu | self._server.ask("counts").get(self._run.name, NOTHING)

    def spent(self, start: str, end: str, what: str) -> Any:
        """Give the seconds (``at``, ``cpu``, ``answer_seconds``) or number between two marks."""
        return self._marks[end][what] - self._marks[start][what]

    def calls(self, start: str, end: str, what: str = "calls") -> Counter[str]:
        return Counter(self._marks[end][what]) - Counter(self._marks[start][what])

    def times(self, start: str, end: str) -> tuple[float, float]:
        return self._marks[start]["at"], self._marks[end]["at"]


def measure(server: Server, run: Run, start_seconds: float | None, folder: Path) -> dict[str, Any]:
    """Give all that one run costs; without ``start_seconds`` it starts until all jobs were seen."""
    folder = folder / run.name
    folder.mkdir()
    began = time.time() - run.age_seconds
    make_jobs(server, run)
    connection = {
        "conn_type": "aws",
        "login": run.name,
        "password": "bench",
        "extra": {"endpoint_url": server.url, "region_name": run.region},
    }
    env = {**os.environ, f"AIRFLOW_CONN_{CONNECTION.upper()}": json.dumps(connection)}
    window_seconds = 2 * run.poll_seconds
    with Triggerer(folder, env, IMPORTS[run.contestant]) as triggerer, talking(server, run):
        costs = Costs(server, run, triggerer)
        time.sleep(IDLE_SECONDS)
        empty_kib = triggerer.memory_kib()
        costs.mark("start")
        triggerer.give(run.trigger(job, began) for job in run.jobs)
        if start_seconds is None:
            wait_until(
                lambda: server.ask("counts").get(run.name, NOTHING)["asked"] == run.size,
                START_LIMIT_SECONDS,
            )
            time.sleep(SETTLE_SECONDS)
        else:
            time.sleep(start_seconds)
        costs.mark("window")
        ends = end_some(server, run, window_seconds)
        full_kib = triggerer.memory_kib()
        costs.mark("end")
        ends |= server.ask("end", [job for job in run.jobs if job not in ends])
        wait_until(
            lambda: len(triggerer.events) + len(triggerer.failures) == run.size,
            2 * run.poll_seconds + 30,
        )
        costs.mark("over")
        report = triggerer.stop()

    def cpu(start: str, end: str) -> float:
        return costs.spent(start, end, "cpu") - report.watch_cpu_seconds(*costs.times(start, end))

    numbers = {job: number for number, job in enumerate(run.jobs, 1)}
    sample = [job for job in ends if ends[job] < costs.times("end", "end")[0]]
    delays = [
        report.fired[numbers[job]] - ends[job] for job in sample if numbers[job] in report.fired
    ]
    phases = {"start": ("start", "window"), "window": ("window", "end"), "end": ("end", "over")}
    stalls = {name: report.longest_stall(*costs.times(*phase)) for name, phase in phases.items()}
    minutes = window_seconds / 60
    of_ended = costs.calls("window", "end", "of_ended")
    steady = costs.calls("window", "end") - of_ended
    answers = sum(costs.calls("start", "over").values())
    found = {
        "contestant": run.contestant,
        "jobs": run.size,
        "age_seconds": run.age_seconds,
        "seconds": {name: costs.spent(*phase, "at") for name, phase in phases.items()},
        "calls_per_minute": sum(steady.values()) / minutes,
        "calls": {
            **{name: costs.calls(*phase) for name, phase in phases.items()},
            "window": steady,
            "window_of_ended": of_ended,
        },
        "answer_ms": 1e3 * costs.spent("start", "over", "answer_seconds") / max(answers, 1),
        "connections": {name: costs.spent(*phase, "connections") for name, phase in phases.items()},
        "cpu_seconds": {
            **{name: cpu(*phase) for name, phase in phases.items()},
            "per_minute": cpu("window", "end") / minutes,
            "start_and_window": cpu("start", "end"),
            "watch": report.watch_cpu_seconds(*costs.times("start", "end")),
        },
        "memory_mib": {"empty": empty_kib / 1024, "full": full_kib / 1024},
        "memory_kib_per_trigger": (full_kib - empty_kib) / run.size,
        "stall_seconds": {name: stall[0] for name, stall in stalls.items()},
        "stall_cpu_seconds": {name: stall[1] for name, stall in stalls.items()},
        "longest_stall_seconds": max(stall[0] for stall in stalls.values()),
        "delay_seconds": {
            "jobs": len(delays),
            "median": statistics.median(delays),
            "p95": statistics.quantiles(delays, n=20, method="inclusive")[-1],
            "longest": max(delays),
        },
        "errors": count_errors(run, triggerer),
    }
    return rounded(found)


def measure_floor(size: int, folder: Path) -> dict[str, Any]:
    """Give what Airflow itself costs: so many triggers that only wait."""
    folder = folder / f"floor-{size}"
    folder.mkdir()
    marks = []
    with Triggerer(folder, dict(os.environ), ()) as triggerer:
        for seconds in (IDLE_SECONDS, FLOOR_START_SECONDS, FLOOR_SECONDS):
            time.sleep(seconds)
            marks.append((time.time(), triggerer.cpu_seconds(), triggerer.memory_kib()))
            if len(marks) == 1:
                triggerer.give(JustWaits() for _ in range(size))
        report = triggerer.stop()

    def cpu(start: int, end: int) -> float:
        watch = report.watch_cpu_seconds(marks[start][0], marks[end][0])
        return marks[end][1] - marks[start][1] - watch

    found = {
        "contestant": "floor",
        "jobs": size,
        "cpu_seconds": {"start": cpu(0, 1), "per_minute": cpu(1, 2) / FLOOR_SECONDS * 60},
        "memory_kib_per_trigger": (marks[2][2] - marks[0][2]) / size,
        "longest_stall_seconds": report.longest_stall(marks[0][0], marks[2][0])[0],
    }
    return rounded(found)


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def make_jobs(server: Server, run: Run) -> None:
    server.ask("age", run.age_seconds)
    client = boto3.client(
        "sagemaker",
        endpoint_url=server.url,
        region_name=run.region,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
    )

    def make(job: str) -> None:
        client.create_training_job(
            TrainingJobName=job,
            RoleArn="arn:aws:iam::123456789012:role/ml",
            AlgorithmSpecification={
                "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
                "TrainingInputMode": "File",
            },
            OutputDataConfig={"S3OutputPath": "s3://bench/models"},
            ResourceConfig={
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 86_400},
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, run.jobs))


@contextmanager
def talking(server: Server, run: Run):
    """Let every job write a line each poll interval, spread evenly, unless it has ended."""
    over = Event()

    def talk() -> None:
        while True:
            for second in range(run.poll_seconds):
                if over.wait(1.0):
                    return
                server.ask("say", run.jobs[second :: run.poll_seconds])

    thread = Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def end_some(server: Server, run: Run, window_seconds: float) -> dict[str, float]:
    """End a few jobs at random moments of the window; give their ends."""
    chance = random.Random(run.size)
    jobs = chance.sample(run.jobs, min(SAMPLE_LIMIT, round(run.size * SAMPLE_SHARE)))
    start = time.monotonic()
    ends: dict[str, float] = {}
    for job, moment in zip(
        jobs, sorted(chance.uniform(0, window_seconds) for _ in jobs), strict=True
    ):
        time.sleep(max(0.0, start + moment - time.monotonic()))
        ends |= server.ask("end", [job])
    time.sleep(max(0.0, start + window_seconds - time.monotonic()))
    return ends


def wait_until(done, limit_seconds: float) -> None:
    give_up = time.monotonic() + limit_seconds
    while not done() and time.monotonic() < give_up:
        time.sleep(0.5)


def count_errors(run: Run, triggerer: Triggerer) -> int:
    """Count the triggers that did not say that their job succeeded."""
    good = {"stock": ("status", "success"), "ours": ("phase", "succeeded")}[run.contestant]
    return run.size - sum(event.get(good[0]) == good[1] for event in triggerer.events.values())
