"""The local AWS in a process of its own, so that it can be stopped for a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from stack import until
from typing_extensions import Self

STOP_SECONDS = 30.0


class Cloud:
    """``airflow-ml local`` for the length of a ``with`` block."""

    def __init__(self, folder: Path, max_jobs: int = 24) -> None:
        self._folder = folder
        self._max_jobs = max_jobs
        self.url = ""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        ready = self._folder / "ready"
        command = [Path(sys.executable).with_name("airflow-ml"), "local", "--port", "0"]
        options = ["--state-dir", self._folder, "--max-jobs", self._max_jobs, "--ready-file", ready]
        with (self._folder / "aws.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *map(str, options)],
                stdout=log,
                stderr=log,
                env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            )
        until(lambda: ready.exists() and ready.read_text(), "a local AWS")
        self.url = ready.read_text().strip()
        self.client("s3").create_bucket(Bucket="faults")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @cache  # noqa: B019 - there is one
    def client(self, service: str) -> Any:
        """Give a client that goes to AWS with no fault in between."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(max_pool_connections=32, read_timeout=60),
        )

    def stop_for(self, seconds: float) -> None:
        """Let it answer nobody for a while: connections are taken, nothing is read."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self._process.send_signal(signal.SIGCONT)
