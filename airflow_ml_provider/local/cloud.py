"""What all operations and jobs of one local AWS share, and how a job gets its turn."""

from __future__ import annotations

import logging
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import boto3  # noqa: TID253 - only the server gets here
import botocore.session
from botocore.config import Config

from airflow_ml_provider.local.access import Access
from airflow_ml_provider.local.interpreters import Interpreters, environment
from airflow_ml_provider.local.process import Ended, run_process
from airflow_ml_provider.local.store import Job, JobStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from airflow_ml_provider.local.logs import JobLog
    from airflow_ml_provider.local.mounts import Isolation
    from airflow_ml_provider.local.protocol import Identity

_CLIENT = Config(
    retries={"total_max_attempts": 2},
    max_pool_connections=32,
    proxies={},
    read_timeout=960,  # what a Lambda function may take
)
# The user's own AWS profile must neither be asked for nor change anything here.
_NO_PROFILE = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
# Given to a job that is running when the server ends; the user waits for it.
_SHUTDOWN_GRACE_SECONDS = 2.0
_MAX_WAITING = 1_000
log = logging.getLogger(__name__)


class Clients:
    """boto3 clients of this same server, one for each service and caller."""

    def __init__(self, endpoint_url: str, access: Access | None = None) -> None:
        self._endpoint_url = endpoint_url
        self._access = access or Access(enforce=False)
        self._clients: dict[tuple[str, str, str, str], Any] = {}
        self._lock = Lock()

    def __call__(self, service: str, identity: Identity, role_arn: str = "") -> Any:
        """Return a client of a service as this caller, or in the name of a role."""
        key = (service, identity.region, identity.access_key, role_arn)
        with self._lock:
            if key not in self._clients:
                session = botocore.session.Session(session_vars=_NO_PROFILE)
                client = boto3.session.Session(botocore_session=session).client(
                    service,
                    endpoint_url=self._endpoint_url,
                    region_name=identity.region,
                    aws_access_key_id=identity.access_key,
                    aws_secret_access_key="local",  # noqa: S106 - nobody checks it
                    config=_CLIENT,
                )
                if role_arn:
                    self._access.follow(client, role_arn, identity.account)
                self._clients[key] = client
            return self._clients[key]


class Turns:
    """Runs jobs in threads, first come first served, never more than `max_jobs` at once.

    Jobs that others wait for are counted by themselves.
    """

    def __init__(self, max_jobs: int) -> None:
        self._pool = ThreadPoolExecutor(max_jobs, thread_name_prefix="job")
        self._awaited = ThreadPoolExecutor(max_jobs, thread_name_prefix="awaited-job")
        self._waiting = ThreadPoolExecutor(_MAX_WAITING, thread_name_prefix="waiting-job")
        self._futures: dict[Job, tuple[Future[None], Callable[[Job], None]]] = {}
        self._closing = False

    def add(
        self,
        job: Job,
        run: Callable[[Job], None],
        fail: Callable[[Job, str], None],
        *,
        waits: bool = False,
        awaited: bool = False,
    ) -> None:
        """Queue a job; `fail` ends it if `run` itself breaks, so that nobody waits for ever.

        A job that only `waits` for others starts at once, or it would hold the turn they need. One
        that is `awaited` by other jobs has turns that these can't hold.
        """

        def guarded(job: Job) -> None:
            try:
                run(job)
            except Exception as error:  # whatever it is, the job must end
                log.exception("%s %s", job.kind, job.name)
                fail(job, f"InternalServerError: {type(error).__name__}: {error}")

        pool = self._waiting if waits else self._awaited if awaited else self._pool
        self._futures[job] = (pool.submit(guarded, job), guarded)

    def stop(self, job: Job, grace_seconds: float | None = None) -> None:
        """Stop a job: one that still waits for its turn ends without it."""
        job.stop_grace_seconds = grace_seconds
        job.stop_requested.set()
        turn = self._futures.get(job)
        if turn and turn[0].cancel():
            Thread(target=turn[1], args=(job,), daemon=True).start()

    @property
    def closing(self) -> bool:
        """Whether the server is ending: then nothing new must start."""
        return self._closing

    def close(self) -> None:
        """End all jobs, and wait for them."""
        self._closing = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._awaited.shutdown(wait=False, cancel_futures=True)
        for job in list(self._futures):
            job.stop_requested.set()
        self._waiting.shutdown(wait=True)
        self._pool.shutdown(wait=True)
        self._awaited.shutdown(wait=True)

    def grace_seconds(self, job: Job, default: float) -> float:
        """Return how long a stopped job may take to end."""
        if self._closing:
            return min(default, _SHUTDOWN_GRACE_SECONDS)
        return default if job.stop_grace_seconds is None else job.stop_grace_seconds


@dataclass(frozen=True)
class Cloud:
    """One local AWS as its operations see it.

    Args:
        endpoint_url: where it answers.
        state_dir: where work folders and logs of jobs are kept.
        interpreters: the Python of each image.
        isolation: how a job gets its /opt/ml.
        turns: who runs when.
        stop_grace_seconds: between SIGTERM and SIGKILL of a stopped job.
        cores: CPU cores that a Spark job may use.
        wait_scale: factor for the pauses of state machines (Retry, Wait).

    """

    endpoint_url: str
    state_dir: Path
    interpreters: Interpreters
    isolation: Isolation
    turns: Turns
    stop_grace_seconds: float
    cores: int
    clients: Clients
    store: JobStore = field(default_factory=JobStore)
    wait_scale: float = 1.0

    def client(self, service: str, job: Job) -> Any:
        """Return a boto3 client with the rights of the job's submitter."""
        return self.clients(service, job.identity)

    def role_client(self, service: str, identity: Identity, role_arn: str) -> Any:
        """Return a boto3 client for what AWS itself does in the name of a role."""
        return self.clients(service, identity, role_arn)

    def environment(self, image: str, job: Job) -> dict[str, str]:
        """Return the environment that a job of this image starts from."""
        python = self.interpreters.python(image)
        return environment(python, self.state_dir, self.endpoint_url, job.identity)

    def work_folder(self, job: Job, *, below: str = "") -> Path:
        """Make and return the job's own folder, named by its kind and its name.

        Args:
            job: the job.
            below: what the job is a run of, such as the Glue job's name.

        """
        parent = self.state_dir / job.kind / re.sub(r"[^\w.-]", "_", below)
        parent.mkdir(parents=True, exist_ok=True)
        for n in range(1, 10_000):  # another region may have a job of the same name
            folder = parent / (job.name if n == 1 else f"{job.name}-{n}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
        raise FileExistsError(f"{parent}: no free folder for {job.name}")

    def run(
        self,
        job: Job,
        *,
        argv: tuple[str, ...],
        env: Mapping[str, str],
        cwd: Path,
        job_log: JobLog,
        timeout_seconds: float,
    ) -> Ended:
        """Run the job's command to its end, and return how it ended."""
        return run_process(
            argv,
            env=env,
            cwd=cwd,
            write=job_log.write,
            stop=job.stop_requested,
            timeout_seconds=timeout_seconds,
            grace_seconds=lambda: self.turns.grace_seconds(job, self.stop_grace_seconds),
        )
