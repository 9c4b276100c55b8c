"""One extract in a process of its own, on given cores; prints what it cost as JSON.

Arguments: the contestant, the cores, the table, the S3 prefix, and for ours how many partitions.
Idle is the process that has loaded Airflow and the operator and is about to execute it, as a worker
does; what an operator imports when it is executed is its own cost. CPU seconds are user and system
time of the process and its children, from there to the end of the execution.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def ours(table: str, uri: str, partitions: int):
    from airflow_ml_provider.operators.sql_extract import SqlExtractOperator  # noqa: PLC0415

    run = SimpleNamespace(
        data_interval_start=START, data_interval_end=START, start_date=START, run_id="bench"
    )
    streams = {"partitions": partitions} if partitions > 1 else {}
    task = SqlExtractOperator(
        task_id="extract", conn_id="warehouse", table=table, output=uri, **streams
    )
    return lambda: task.execute({"dag_run": run, "params": {}, "ti": None})


def peer(table: str, uri: str, _partitions: int):
    from airflow.providers.amazon.aws.transfers.sql_to_s3 import SqlToS3Operator  # noqa: PLC0415

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    task = SqlToS3Operator(
        task_id="extract",
        sql_conn_id="warehouse",
        query=f"select * from {table}",
        s3_bucket=bucket,
        s3_key=f"{key}part.parquet",
        file_format="parquet",
    )
    return lambda: task.execute({})


def limit(table: str, _uri: str, _partitions: int):
    copy = f"copy (select * from {table}) to stdout (format binary)"
    command = [os.environ["BENCH_PSQL"], "--no-psqlrc", "--command", copy]

    def run() -> None:
        with Path(os.devnull).open("wb") as null:
            subprocess.run(command, stdout=null, check=True)

    return run


def memory_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise KeyError(field)


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main(contestant: str, cores: str, table: str, uri: str, partitions: str) -> dict[str, float]:
    if group := os.environ.get("BENCH_CGROUP"):
        Path(group, "cgroup.procs").write_text(str(os.getpid()))
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    execute = {"ours": ours, "peer": peer, "limit": limit}[contestant](table, uri, int(partitions))
    Path("/proc/self/clear_refs").write_text("5")  # the peak from now on; imports have theirs
    idle_mb, cpu, began = memory_mb("VmRSS"), cpu_seconds(), perf_counter()
    execute()
    seconds = perf_counter() - began
    child_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    peak_mb = child_mb if contestant == "limit" else memory_mb("VmHWM") - idle_mb
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds() - cpu,
        "idle_mb": idle_mb,
        "peak_mb": peak_mb,
    }


if __name__ == "__main__":
    measured = main(*sys.argv[1:])
    print(json.dumps({name: round(value, 3) for name, value in measured.items()}))  # noqa: T201
