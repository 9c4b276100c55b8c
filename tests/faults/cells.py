"""One DAG with one task, on its own way to AWS, with one fault; and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kinds import KINDS, REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cloud import Cloud
    from fault import Port
    from stack import Airflow

OURS = "airflow_ml_provider.operators.remote_job.RemoteJobOperator"
TASK = "job"
# Two attempts, soon given up: "longer than the client's retries" is some seconds.
ATTEMPTS = 2
TIMEOUT_SECONDS = 5
RETRIES = 5


@dataclass
class Cell:
    """A DAG with one task of one kind; ``name`` is the DAG's id and begins with its number.

    ``url`` is where its connection leads, ``timeout_seconds`` what its client waits for an answer.
    """

    name: str
    kind: str
    stock: bool
    deferrable: bool
    url: str
    port: Port | None = None
    seconds: float = 3.0
    retries: int = RETRIES
    timeout_seconds: int = TIMEOUT_SECONDS
    more: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    run_id: str = ""

    @property
    def connection_id(self) -> str:
        """Airflow's id of its connection."""
        return self.name.partition("-")[0]

    def write(self, cloud: Cloud, folder: Path) -> None:
        """Prepare what its job needs on AWS, and tell the DAG file about it."""
        kind = KINDS[self.kind]
        if self.stock:
            operator, arguments = kind.stock(cloud, self.name, self.seconds)
            self.request = arguments
        else:
            self.request = {**kind.request(cloud, self.name, self.seconds), **self.request}
            arguments = {
                "kind": self.kind,
                "request": self.request,
                "report": REPORT,
                "poll_seconds": 1,
                "timeout_seconds": 600,
            }
            operator = OURS
        common = {
            "aws_conn_id": self.connection_id,
            "deferrable": self.deferrable,
            "retries": self.retries,
        }
        told = {
            "operator": operator,
            "arguments": {**arguments, **common, **self.more},
            "retry_seconds": 0 if self.retries > RETRIES else 1,
        }
        (folder / f"{self.name}.json").write_text(json.dumps(told))

    def environment(self) -> tuple[str, str]:
        """Give the variable that holds its connection."""
        extra = {
            "region_name": "us-east-1",
            "endpoint_url": self.url,
            "config_kwargs": {
                "connect_timeout": self.timeout_seconds,
                "read_timeout": self.timeout_seconds,
                "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
            },
        }
        told = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
        return f"AIRFLOW_CONN_{self.connection_id.upper()}", json.dumps(told)

    def start(self, airflow: Airflow) -> None:
        """Start its run."""
        self.run_id = airflow.trigger(self.name)

    def state(self, airflow: Airflow) -> str | None:
        """Give its task's state."""
        task = airflow.task(self.name, self.run_id, TASK)
        return task.state if task else None

    def tries(self, airflow: Airflow) -> int:
        """Count its task's tries."""
        task = airflow.task(self.name, self.run_id, TASK)
        return task.try_number if task else 0

    def jobs(self, cloud: Cloud) -> list[str]:
        """Ask AWS for the states of all jobs that were ever made for it."""
        return list(KINDS[self.kind].jobs(cloud, self.name, dict(self.request)))

    def log(self, airflow: Airflow, lines: int = 40) -> str:
        """Give the ends of its tries' logs."""
        tries = range(1, self.tries(airflow) + 1)
        logs = [airflow.log(self.name, self.run_id, TASK, number) for number in tries]
        tails = ("\n".join(list(_readable(log))[-lines:]) for log in logs)
        return "\n".join(f"--- try {n}\n{tail}" for n, tail in zip(tries, tails, strict=True))


def environment(cells: list[Cell], folder: Path) -> dict[str, str]:
    """Give what Airflow's processes must have in their environment to run the cells."""
    return {"FAULTS_DAGS": str(folder), **dict(cell.environment() for cell in cells)}


def _readable(log: str) -> Iterator[str]:
    for line in log.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            yield line
            continue
        errors = told.get("error_detail") or []
        reasons = "".join(f" {e.get('exc_type')}: {e.get('exc_value')}" for e in errors)
        at = told.get("timestamp", "")[11:23]
        yield f"{at} {told.get('level')}: {told.get('event')}{reasons}"
