"""The scenes of the stop tests: what is done to a task that waits for a long job.

Each scene is a DAG with one run; its jobs are found on the local AWS by the DAG's id.
"""

from __future__ import annotations

import io
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/ml"
BUCKET = "stop"
RUNNING = frozenset({"InProgress", "RUNNING"})
STOPPED = frozenset({"Stopped", "STOPPED"})
# Long enough that the job has been started, even by a busy machine.
TIMEOUT_SECONDS = 45
SLOW_STOP_SECONDS = 0.5
_HOLD_SECONDS = 30.0


class Job(NamedTuple):
    """A job on the local AWS."""

    status: str
    began: datetime
    ended: datetime | None


@dataclass(frozen=True)
class Scene:
    """``action`` is what is done; ``mapped`` is how many jobs the task is mapped to."""

    action: str
    deferrable: bool
    stop_on_kill: bool = True
    kind: str = "sagemaker_processing"
    mapped: int = 0
    note: str = ""

    @property
    def dag_id(self) -> str:
        """Short, because the names of jobs begin with it."""
        how = "deferred" if self.deferrable else "sync"
        policy = "" if self.stop_on_kill else "leave"
        service = self.kind.partition("_")[0]
        words = (self.action, how, policy, self.note, "" if service == "sagemaker" else service)
        return "-".join(filter(None, words))

    def told(self, flag: Path) -> dict[str, Any]:
        """Give the DAG; its jobs end well once ``flag`` is there."""
        timeout = {"run_time_over": "dagrun_timeout", "task_time_over": "execution_timeout"}
        return {
            "dag_id": self.dag_id,
            "dagrun_timeout": None,
            "execution_timeout": None,
            **({timeout[self.action]: TIMEOUT_SECONDS} if self.action in timeout else {}),
            "mapped": self.mapped,
            "request": _REQUESTS[self.kind](self.dag_id, flag),
            "arguments": {
                "kind": self.kind,
                "deferrable": self.deferrable,
                "stop_on_kill": self.stop_on_kill,
            },
        }

    def jobs(self, client: Any) -> list[Job]:
        """List all jobs that were ever started, the oldest first."""
        return sorted(_JOBS[self.kind](client, self.dag_id), key=lambda job: job.began)


def script(flag: Path) -> str:
    """Give the Python script of Glue's jobs."""
    return f"import os, time\nwhile not os.path.exists({str(flag)!r}): time.sleep(1)\n"


def _processing(dag_id: str, flag: Path) -> dict[str, Any]:
    # It takes its time to stop, as a real one does.
    command = f"trap 'sleep 2; exit 1' TERM; until [ -e {flag} ]; do sleep 1; done"
    machine = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    return {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "sh", "ContainerEntrypoint": ["/bin/sh", "-c", command]},
        "ProcessingResources": {"ClusterConfig": machine},
    }


def _glue(dag_id: str, flag: Path) -> dict[str, Any]:
    definition = {
        "Role": ROLE,
        "Command": {"Name": "pythonshell", "ScriptLocation": f"s3://{BUCKET}/wait.py"},
        # Glue's own limit of 1 must not hide a double.
        "ExecutionProperty": {"MaxConcurrentRuns": 10},
    }
    return {"JobName": dag_id, "Definition": definition}


def _processing_jobs(client: Any, dag_id: str) -> Iterable[Job]:
    # The rest of the name is the task's, and a hash.
    name = f"{dag_id.replace('_', '-')}-job-"
    pages = client("sagemaker").get_paginator("list_processing_jobs")
    for page in pages.paginate(NameContains=name):
        for one in page["ProcessingJobSummaries"]:
            if one["ProcessingJobName"].startswith(name):
                began, ended = one["CreationTime"], one.get("ProcessingEndTime")
                yield Job(one["ProcessingJobStatus"], began, ended)


def _glue_jobs(client: Any, dag_id: str) -> Iterable[Job]:
    glue = client("glue")
    with suppress(glue.exceptions.EntityNotFoundException):
        for one in glue.get_job_runs(JobName=dag_id)["JobRuns"]:
            yield Job(one["JobRunState"], one["StartedOn"], one.get("CompletedOn"))


_REQUESTS = {"sagemaker_processing": _processing, "glue": _glue}
_JOBS = {"sagemaker_processing": _processing_jobs, "glue": _glue_jobs}


class Late:
    """A WSGI application before the local AWS that is late for some scenes.

    ``late_request``: the submit reaches AWS only when the task has been killed and looks for its
    job; ``late_answer``: AWS has it, but its answer comes too late. Stops of mapped tasks are slow.
    """

    def __init__(self, aws: Any) -> None:
        self._aws = aws
        self.submitting = {"late_request": Event(), "late_answer": Event()}
        self._looked = Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer one request."""
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if operation == "CreateProcessingJob":
            return self._create(body, environ, start_response)
        if b"late-request" in body and self.submitting["late_request"].is_set():
            self._looked.set()
        if operation == "StopProcessingJob" and b"-many-" in body:
            time.sleep(SLOW_STOP_SECONDS)
        return self._aws(environ, start_response)

    def _create(self, body: bytes, environ: dict[str, Any], start_response: Any) -> Any:
        if b'"late-request' in body:
            self.submitting["late_request"].set()
            self._looked.wait(_HOLD_SECONDS)
        answer = self._aws(environ, start_response)
        if b'"late-answer' in body:
            self.submitting["late_answer"].set()
            time.sleep(_HOLD_SECONDS)
        return answer
