"""What waiting for many remote jobs costs Airflow's triggerer, beside the stock Amazon trigger.

So many deferred SageMaker training jobs each time, once with the trigger that
``SageMakerTrainingOperator(deferrable=True)`` makes and once with this package's, by turns, against
the same local AWS in a process of its own. Each run is a fresh process of Airflow's own
``TriggerRunner`` that has loaded what it imports; it gets all triggers at once, as after a restart:

- the start, until every stock trigger has asked about its job once; ours gets as long;
- the window, two poll intervals long; some jobs end in it, at random moments;
- the end: all other jobs complete at once, until the last trigger has fired.

The floor is Airflow's own cost: as many triggers that only wait. The ratios of CPU and memory are
of what each contestant costs on top of it; those of the whole process are given too.

Every job writes a line to its log each poll interval, which ours follows and the stock trigger does
not. The jobs began an hour ago, so that both ask equally often: ours asks young jobs oftener, at a
tenth of their age, and the last row has what that costs.

Calls a minute are those of the window, without the ones about a single job that had ended. CPU
seconds are those of the whole process but for the watch on its event loop, which is measured apart;
their ratio is over start and window. Memory is the process's own, over that of the same process
before it got triggers. A stall is how much too late a coroutine woke that sleeps 10 ms; the file
also has the CPU time that the process used meanwhile, for on a busy machine it may only have been
kept waiting. A delay is the time from a job's end to its trigger's event.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from cryptography.fernet import Fernet
from rich.console import Console
from rich.table import Table

TREE = Path(__file__).parents[2]
BUILD = TREE / "build" / "bench"
SIZES = (100, 500, 1000)
POLL_SECONDS = 30
OLD_SECONDS = 3600
YOUNG_START_SECONDS = 30.0
PACKAGES = ("apache-airflow", "apache-airflow-providers-amazon", "aiobotocore", "boto3", "moto")
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("eu-central-1", "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "sa-east-1"),
)
Row = dict[str, Any]


def main(sizes: list[int], poll_seconds: int) -> None:
    console = Console(width=None if sys.stdout.isatty() else 150)
    plan = [(size, one, OLD_SECONDS) for size in sizes for one in ("stock", "ours", "floor")]
    plan.append((sizes[-1], "ours", 0))
    rows: list[Row] = []
    start_seconds = None
    with TemporaryDirectory(prefix="bench-") as home:
        os.environ |= settings(home)
        # Airflow reads its settings when it is loaded.
        from wait_run import Run, Server, measure, measure_floor  # noqa: PLC0415

        with Server(Path(home, "aws")) as server, console.status("") as status:
            for (size, contestant, age_seconds), region in zip(plan, REGIONS, strict=False):
                status.update(f"{size} jobs: {contestant}{'' if age_seconds else ', young'}")
                run = Run(contestant, size, age_seconds, poll_seconds, region)
                if contestant == "floor":
                    rows.append(measure_floor(size, Path(home)))
                elif contestant == "stock":
                    rows.append(measure(server, run, None, Path(home)))
                    start_seconds = rows[-1]["seconds"]["start"]
                else:
                    wanted = start_seconds if age_seconds else YOUNG_START_SECONDS
                    rows.append(measure(server, run, wanted, Path(home)))
    compared = {str(size): ratios(rows, size) for size in sizes}
    result = {
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, {platform.system()}",
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "poll_seconds": poll_seconds,
        "ratios": compared,
        "rows": rows,
    }
    (BUILD / "wait.json").write_text(json.dumps(result, indent=2) + "\n")
    show(console, rows, compared, poll_seconds)


def settings(home: str) -> dict[str, str]:
    """Give an environment in which nothing is set but what the benchmark sets."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "AWS"))]:
        del os.environ[name]
    return {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def ratios(rows: list[Row], size: int) -> dict[str, float]:
    """Give stock / ours for old jobs; CPU and memory without and with what Airflow itself costs."""
    mine = [row for row in rows if row["jobs"] == size and row.get("age_seconds", 1)]
    stock, ours, floor = (
        next(row for row in mine if row["contestant"] == one) for one in ("stock", "ours", "floor")
    )

    def cpu(row: Row) -> float:
        return row["cpu_seconds"]["start_and_window"]

    def memory(row: Row) -> float:
        return row["memory_kib_per_trigger"]

    # What it takes a minute is smaller than the error of the measurement.
    started = floor["cpu_seconds"]["start"]
    found = {
        "calls": stock["calls_per_minute"] / ours["calls_per_minute"],
        "cpu": (cpu(stock) - started) / (cpu(ours) - started),
        "memory": (memory(stock) - memory(floor)) / (memory(ours) - memory(floor)),
        "stall": stock["longest_stall_seconds"] / max(ours["longest_stall_seconds"], 0.01),
        "cpu_with_floor": cpu(stock) / cpu(ours),
        "memory_with_floor": memory(stock) / memory(ours),
    }
    return {name: round(ratio, 1) for name, ratio in found.items()}


def show(
    console: Console, rows: list[Row], compared: dict[str, dict[str, float]], poll_seconds: int
) -> None:
    table = Table(
        title=f"Waiting for training jobs, asked every {poll_seconds} s",
        caption="Ratios are stock / ours; the floor is Airflow's own cost. Ours asks jobs younger "
        f"than {10 * poll_seconds} s oftener: the last row.",
    )
    table.add_column("jobs", justify="right")
    table.add_column("")
    for title in (
        "calls a minute",
        "start, s",
        "CPU s: start",
        "a minute",
        "in all",
        "KiB a trigger",
        "longest stall, s",
        "connections",
        "delay, s: median",
        "95 %",
        "errors",
    ):
        table.add_column(title, justify="right")
    for row in rows:
        cpu = row["cpu_seconds"]
        young = row.get("age_seconds") == 0
        floor = row["contestant"] == "floor"
        table.add_row(
            f"{row['jobs']:,}",
            row["contestant"] + (", young" if young else ""),
            "" if floor else f"{row['calls_per_minute']:,.0f}",
            "" if floor else f"{row['seconds']['start']:.0f}",
            f"{cpu['start']:.1f}",
            f"{cpu['per_minute']:.1f}",
            "" if floor else f"{cpu['start_and_window']:.1f}",
            f"{row['memory_kib_per_trigger']:,.0f}",
            f"{row['longest_stall_seconds']:.2f}",
            "" if floor else f"{sum(row['connections'].values()):,}",
            "" if floor else f"{row['delay_seconds']['median']:.1f}",
            "" if floor else f"{row['delay_seconds']['p95']:.1f}",
            "" if floor else str(row["errors"]),
        )
        if floor:
            ratio = compared[str(row["jobs"])]
            table.add_row(
                *("", "ratio", f"{ratio['calls']:,.0f}", "", "", "", f"{ratio['cpu']:.0f}"),
                *(f"{ratio['memory']:.0f}", f"{ratio['stall']:.0f}"),
            )
            table.add_row(
                *("", "with the floor", "", "", "", "", f"{ratio['cpu_with_floor']:.0f}"),
                f"{ratio['memory_with_floor']:.0f}",
                end_section=True,
            )
    console.print(table)
    console.print(f"All numbers: {(BUILD / 'wait.json').relative_to(TREE)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, help="numbers of jobs, each at least 10"
    )
    parser.add_argument("--poll-seconds", type=int, default=POLL_SECONDS, help="at least 2")
    BUILD.mkdir(parents=True, exist_ok=True)
    options = parser.parse_args()
    main(options.sizes, options.poll_seconds)
