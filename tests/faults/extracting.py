"""Extracts in processes that may be killed. A line of standard input is one, as JSON.

For each a process is forked, which spares it a second of imports; its id is written, and when it
has ended how: an exit code, or the signal's number with a minus.

A moment of ``stop`` or ``kill`` is ``[operation, start of the object's name, "before" | "after"]``:
the process stops, or kills itself, before it makes this call of S3 or when it has the answer.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from functools import partial
from typing import Any

import boto3
import psycopg2

from airflow_ml_provider.extract.errors import ExtractError, Superseded
from airflow_ml_provider.extract.extraction import extract
from airflow_ml_provider.extract.memory import MIN_MEMORY_MB
from airflow_ml_provider.extract.postgres.source import PostgresSource
from airflow_ml_provider.extract.publish import sink
from airflow_ml_provider.extract.selection import Selection

PUBLISHED, FAILED, SUPERSEDED = 0, 1, 3
QUERY = "select id, :version::int as version, payload from numbers where id > :above"
# S3's smallest: more calls for as many bytes.
PART_BYTES = 5 * 1024 * 1024


def _at(client: Any, number: int, operation: str, name: str, when: str) -> None:
    """Send this process the signal, once."""
    waiting = [number]

    def send() -> None:
        while waiting:
            os.kill(os.getpid(), waiting.pop())

    def look(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["here"] = params["url_path"].rsplit("/p/", 1)[-1].startswith(name)
        if context["here"] and when == "before":
            send()

    def answered(context: dict[str, Any], **_: Any) -> None:
        if context["here"] and when == "after":
            send()

    client.meta.events.register(f"before-call.s3.{operation}", look)
    client.meta.events.register(f"after-call.s3.{operation}", answered)


def _extract(job: dict[str, Any]) -> None:
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=job["url"],
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    for what, number in (("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)):
        if moment := job.get(what):
            _at(client, number, *moment)
    sink._PART_BYTES = PART_BYTES
    selection = Selection(
        "warehouse",
        QUERY,
        parameters={"version": job["version"], "above": job["version"]},
        partitions=2,
        partition_by="id",
    )
    source = PostgresSource(selection, partial(psycopg2.connect, **job["parameters"]))
    extract(source, job["uri"], client=lambda: client, memory_mb=MIN_MEMORY_MB)


def _work(job: dict[str, Any]) -> None:
    try:
        _extract(job)
        code = PUBLISHED
    except Superseded:
        code = SUPERSEDED
    except ExtractError:
        code = FAILED
        traceback.print_exc()
    sys.exit(code)


def main() -> None:
    gc.freeze()
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            _work(json.loads(line))
        print(pid, flush=True)  # noqa: T201 - the protocol
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
