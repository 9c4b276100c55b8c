"""What an extract from PostgreSQL to Parquet on S3 costs, beside the stock operator and the limit.

The same table of flights, on a real PostgreSQL, is read by this package's ``SqlExtractOperator``,
by the stock ``SqlToS3Operator`` (pandas, Parquet), and by ``psql`` with a binary COPY to the null
device: the limit of one stream, which decodes, encodes and uploads nothing. They take turns, in
rounds; each sample is a fresh process, with one core of its own; the server and S3 have another
one. Then ours reads two partitions with two cores, which it shares with the server where there are
fewer than four. Medians are shown, of memory the largest.

Seconds and CPU seconds are those of ``execute``, so what an operator imports then is in them.
Memory is the largest resident set of the process over what it had when it was about to execute; of
``psql`` it is all. At last both run with all their memory limited by a cgroup, where this machine
lets one make it: ours within 512 MB, the stock operator within 2 GB.

S3 is a small server in memory (extract_s3.py), the same for both: its own time is no part of the
client's, and what the local AWS takes would slow down the database, which has the same core.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import pyarrow.parquet as pq
from extract_flights import Server, load, postgres
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TREE = HERE.parents[1]
BUILD = TREE / "build" / "bench"
ROWS, QUICK_ROWS, ROUNDS = 5_000_000, 250_000, 3
LIMIT_MB, PEER_LIMIT_MB = 512, 2048
PROMISED_MB = 300
PEER_BYTES_PER_ROW = 2_200  # what pandas takes
NAMES = {"ours": "SqlExtractOperator", "peer": "SqlToS3Operator", "limit": "psql COPY"}
PACKAGES = (
    *("apache-airflow", "apache-airflow-providers-amazon", "apache-airflow-providers-postgres"),
    *("adbc-driver-postgresql", "boto3", "pandas", "psycopg2-binary", "pyarrow"),
)
Sample = dict[str, Any]


class Bench:
    """The server, S3 and the cores, and what runs against them."""

    def __init__(self, server: Server, endpoint_url: str, home: str, cores: list[int]) -> None:
        self._server = server
        self._cores = cores
        self._env = settings(home, server, endpoint_url)
        self._s3 = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
        )

    def measure(self, contestant: str, rows: int, partitions: int = 1) -> Sample:
        """Run it once, or end the benchmark with its error."""
        server, client = self._cores[:1], self._cores[1:2]
        if partitions > 1:
            client = self._cores[1:3] if len(self._cores) > 3 else self._cores[:2]
            server = [core for core in self._cores if core not in client][:2] or client
        os.sched_setaffinity(self._server.pid, server)
        done = self._run(contestant, rows, partitions, client)
        if done.returncode:
            sys.exit(f"{contestant} with {rows} rows failed:\n{done.stdout}{done.stderr}")
        cost = json.loads(done.stdout.splitlines()[-1])
        written = 0 if contestant == "limit" else self._take(rows)
        given = {"contestant": contestant, "rows": rows, "partitions": partitions}
        return {**given, "client_cores": len(client), **cost, "bytes": written}

    def survives(self, contestant: str, rows: int, limit_mb: int) -> bool | None:
        """Say whether it lives with so little memory; None where it can't be limited."""
        os.sched_setaffinity(self._server.pid, self._cores[:1])
        with limited(limit_mb) as group:
            if group is None:
                return None
            done = self._run(contestant, rows, 1, self._cores[1:2], BENCH_CGROUP=str(group))
        if done.returncode not in (0, -9):
            sys.exit(f"{contestant} in {limit_mb} MB failed:\n{done.stdout}{done.stderr}")
        return done.returncode == 0 and self._take(rows) > 0

    def _run(
        self, contestant: str, rows: int, partitions: int, cores: list[int], **env: str
    ) -> subprocess.CompletedProcess[str]:
        what = (contestant, ",".join(map(str, cores)), f"flights_{rows}", "s3://bench/flights/")
        return subprocess.run(
            [sys.executable, HERE / "extract_run.py", *what, str(partitions)],
            env={**self._env, **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def _take(self, rows: int) -> int:
        """Give the bytes of the Parquet files that were written, and remove them."""
        found = self._s3.list_objects_v2(Bucket="bench").get("Contents", [])
        bodies = {
            item["Key"]: self._s3.get_object(Bucket="bench", Key=item["Key"])["Body"].read()
            for item in found
        }
        for key in bodies:
            self._s3.delete_object(Bucket="bench", Key=key)
        files = [body for key, body in bodies.items() if key.endswith(".parquet")]
        written = sum(pq.read_metadata(io.BytesIO(body)).num_rows for body in files)
        if written != rows:
            sys.exit(f"{written} rows were written, not {rows}: {', '.join(bodies)}")
        return sum(map(len, files))


def main(rows: int, rounds: int) -> bool:
    """Run all; say whether ours kept to its memory."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("one core is for the client and one for the server: 2 are needed, 1 is there")
    if psutil.virtual_memory().available < rows * PEER_BYTES_PER_ROW:
        sys.exit(
            f"{NAMES['peer']} takes {rows * PEER_BYTES_PER_ROW / 1e9:.0f} GB for {rows:,} rows, "
            "which this machine has not free; give fewer with --rows"
        )
    os.sched_setaffinity(0, cores[:1])  # what is started from here inherits this
    few, many = rows // 5, rows * 4
    plan = [("ours", few, 1), ("peer", few, 1), ("limit", few, 1)] * 2  # once for the caches
    plan += [("limit", many, 1), ("ours", many, 1), ("ours", many, 2)]
    console = Console(width=None if sys.stdout.isatty() else 140)
    samples: list[Sample] = []
    with (
        TemporaryDirectory(prefix="bench-") as home,
        console.status("loading") as status,
        s3() as endpoint_url,
        postgres(Path(home, "postgres")) as server,
    ):
        load(server, [few, rows, many])
        bench = Bench(server, endpoint_url, home, cores)
        turns = [(one, rows, 1) for one in ("ours", "peer", "limit")] + [("ours", rows, 2)]
        for turn in [*plan, *turns * rounds]:
            status.update("{}: {:,} rows, {} partition(s)".format(*turn))
            samples.append(bench.measure(*turn))
        survived = {}
        for one, limit_mb in (("ours", LIMIT_MB), ("peer", PEER_LIMIT_MB)):
            status.update(f"{one} within {limit_mb} MB")
            survived[one] = {"limit_mb": limit_mb, "survived": bench.survives(one, rows, limit_mb)}
    del samples[:3]
    lines = medians(samples)
    result = {
        "machine": f"{platform.machine()}, {len(cores)} cores, {platform.system()}",
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "rows": rows,
        "rounds": rounds,
        "ratios": ratios(lines, rows),
        "two_partitions_vs_limit": {str(n): two_partitions(lines, n) for n in (rows, many)},
        "peak_mb": {str(one["rows"]): one["peak_mb"] for one in lines if is_plain(one, "ours")},
        "limited": survived,
        "medians": lines,
        "samples": samples,
    }
    (BUILD / "extract.json").write_text(json.dumps(result, indent=2) + "\n")
    show(console, result)
    return (
        survived["ours"]["survived"] is not False and max(result["peak_mb"].values()) <= PROMISED_MB
    )


def settings(home: str, server: Server, endpoint_url: str) -> dict[str, str]:
    """Give an environment in which nothing is set but what the benchmark sets."""
    connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": server.port}
    return {
        "AIRFLOW_HOME": home,
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(
            {**connection, "login": "postgres", "schema": "postgres"}
        ),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint_url,
        "BENCH_PSQL": str(server.psql),
        "HOME": home,
        "PATH": os.defpath,
        "PGDATABASE": "postgres",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGUSER": "postgres",
        "PYTHONPYCACHEPREFIX": str(BUILD / "pyc"),
    }


@contextmanager
def s3() -> Iterator[str]:
    """Run an S3 in a process of its own; gives its address."""
    with subprocess.Popen(
        [sys.executable, HERE / "extract_s3.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


@contextmanager
def limited(limit_mb: int) -> Iterator[Path | None]:
    """Make a cgroup of version 1 or 2 that a process can join; None where that is not allowed."""
    for root, file in (("memory", "memory.limit_in_bytes"), (".", "memory.max")):
        group = Path("/sys/fs/cgroup", root, f"bench-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if os.access(group / file, os.W_OK):
                (group / file).write_text(str(limit_mb * 2**20))
                yield group
                return
        finally:
            group.rmdir()
    yield None


def medians(samples: list[Sample]) -> list[Sample]:
    """Join the rounds."""
    same = ("contestant", "rows", "partitions", "client_cores")
    measured = ("seconds", "cpu_seconds", "idle_mb", "bytes")
    joined: dict[tuple[Any, ...], list[Sample]] = {}
    for sample in sorted(samples, key=lambda one: one["rows"]):
        joined.setdefault(tuple(sample[name] for name in same), []).append(sample)
    return [
        dict(zip(same, key, strict=True))
        | {name: statistics.median(one[name] for one in of) for name in measured}
        | {"peak_mb": round(max(one["peak_mb"] for one in of), 1)}
        for key, of in joined.items()
    ]


def is_plain(line: Sample, contestant: str) -> bool:
    return line["contestant"] == contestant and line["partitions"] == 1


def ratios(lines: list[Sample], rows: int) -> dict[str, float]:
    """Compare at the size that all of them do in rounds: more is better."""
    mine = [line for line in lines if line["rows"] == rows]
    ours, peer, limit = (next(o for o in mine if is_plain(o, name)) for name in NAMES)
    found = {
        "rows_vs_peer": peer["seconds"] / ours["seconds"],
        "rows_vs_limit": limit["seconds"] / ours["seconds"],
        "cpu_vs_peer": peer["cpu_seconds"] / ours["cpu_seconds"],
    }
    return {name: round(ratio, 3) for name, ratio in found.items()}


def two_partitions(lines: list[Sample], rows: int) -> float:
    mine = [line for line in lines if line["rows"] == rows]
    limit = next(one for one in mine if is_plain(one, "limit"))
    two = next(one for one in mine if one["partitions"] == 2)
    return round(limit["seconds"] / two["seconds"], 3)


def show(console: Console, result: dict[str, Any]) -> None:
    table = Table(title="PostgreSQL to Parquet on S3: flights, 20 columns")
    for title in ("rows", "", "partitions", "client cores"):
        table.add_column(title, justify="right" if title else "left")
    for title in ("s", "1,000 rows/s", "CPU s", "CPU s a million", "peak MB", "Parquet MB"):
        table.add_column(title, justify="right")
    for line in result["medians"]:
        millions = line["rows"] / 1e6
        table.add_row(
            f"{line['rows']:,}",
            NAMES[line["contestant"]],
            str(line["partitions"]),
            str(line["client_cores"]),
            f"{line['seconds']:.1f}",
            f"{millions * 1000 / line['seconds']:,.0f}",
            f"{line['cpu_seconds']:.1f}",
            f"{line['cpu_seconds'] / millions:.2f}",
            f"{line['peak_mb']:,.0f}",
            f"{line['bytes'] / 1e6:,.1f}" if line["bytes"] else "",
        )
    console.print(table)
    compared = result["ratios"]
    console.print(
        f"With {result['rows']:,} rows ours is {compared['rows_vs_peer']:.1f} times as fast as "
        f"{NAMES['peer']} with {compared['cpu_vs_peer']:.1f} times less CPU, and "
        f"{compared['rows_vs_limit']:.0%} of the limit of one stream. With two partitions: "
        + ", ".join(
            f"{ratio:.0%} of it with {int(n):,} rows"
            for n, ratio in result["two_partitions_vs_limit"].items()
        )
        + "."
    )
    for one, found in result["limited"].items():
        words = {True: "finishes", False: "is killed", None: "can't be limited here"}
        console.print(f"{NAMES[one]} in {found['limit_mb']} MB: {words[found['survived']]}.")
    console.print(f"All numbers: {(BUILD / 'extract.json').relative_to(TREE)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", type=int, help=f"the middle size ({ROWS:,}); also 1/5 and 4 times"
    )
    parser.add_argument("--rounds", type=int, help=f"samples of each ({ROUNDS})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows and one round")
    given = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    rows, rounds = (QUICK_ROWS, 1) if given.quick else (ROWS, ROUNDS)
    sys.exit(0 if main(given.rows or rows, given.rounds or rounds) else 1)
