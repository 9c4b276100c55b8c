"""``airflow-ml run``: pipelines for some days on this machine, and what came of it."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from rich.console import Console

from airflow_ml_provider.cli import laptop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_ml_provider.local.server import LocalAws

_SPEC = re.compile(r"(?P<dag>[\w.-]+)(@(?P<first>[\d-]{10})(\.\.(?P<last>[\d-]{10}))?)?")

_WIDTH_OF_FILES = 120


@dataclass(frozen=True)
class Wanted:
    """A DAG and the days whose data it shall run for."""

    dag_id: str
    days: tuple[date, ...]

    @property
    def logical_dates(self) -> list[datetime]:
        """When a daily schedule would start these runs: as each day is over."""
        midnight = [
            datetime(day.year, day.month, day.day, tzinfo=timezone.utc) for day in self.days
        ]
        return [start + timedelta(days=1) for start in midnight] or [datetime.now(timezone.utc)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "runs",
        nargs="+",
        type=wanted,
        metavar="DAG_ID[@FIRST[..LAST]]",
        help="a DAG and the days of data to run it for, such as flights@2013-08-29..2013-08-31",
    )
    parser.add_argument(
        "--target",
        choices=["airflow", "step-functions", "sagemaker"],
        default="airflow",
        help="what runs the pipelines",
    )
    laptop.add_arguments(parser)


def wanted(text: str) -> Wanted:
    """Read ``dag_id@2013-08-29..2013-08-31``; without days the DAG runs once, now.

    :raises argparse.ArgumentTypeError: it is spelled otherwise.
    """
    match = _SPEC.fullmatch(text)
    message = f"{text!r} must be DAG_ID, DAG_ID@YYYY-MM-DD or DAG_ID@YYYY-MM-DD..YYYY-MM-DD"
    if match is None:
        raise argparse.ArgumentTypeError(message)
    if match["first"] is None:
        return Wanted(match["dag"], ())
    try:
        first = date.fromisoformat(match["first"])
        last = date.fromisoformat(match["last"] or match["first"])
    except ValueError:
        raise argparse.ArgumentTypeError(message) from None
    if last < first:
        message = f"{text!r}: the last day comes before the first"
        raise argparse.ArgumentTypeError(message)
    return Wanted(match["dag"], tuple(first + timedelta(n) for n in range((last - first).days + 1)))


def run(args: argparse.Namespace) -> int:
    """Run the DAGs against a local AWS; return 1 if a run failed."""
    from airflow_ml_provider.local.server import LocalAws  # noqa: PLC0415

    # SIGTERM must unwind like Ctrl-C does, so that the jobs end with the run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home: Path = args.home.absolute()
    folder = _new_folder(home)
    aws = LocalAws(state_dir=home / "jobs", enforce_iam=args.target != "airflow")
    with aws, _own_terminal(folder / "airflow.log") as console:
        laptop.enter(laptop.settings(args, aws.endpoint_url, f"runs/{folder.name}/airflow"))
        console.print(f"Local AWS at {aws.endpoint_url}; all that is logged: {folder}/airflow.log")
        return _run(args, folder, aws, console)


def _new_folder(home: Path) -> Path:
    """Make ``runs/<time>`` and let ``runs/latest`` point to it; earlier ones stay as they are."""
    name = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{os.getpid()}"
    folder = home / "runs" / name
    (folder / "airflow").mkdir(parents=True)
    link = folder.with_name(f".{name}")
    link.symlink_to(name)
    link.replace(folder.with_name("latest"))
    return folder


def _run(args: argparse.Namespace, folder: Path, aws: LocalAws, console: Console) -> int:
    if args.target != "airflow":
        from airflow_ml_provider.cli import executions  # noqa: PLC0415 - loads boto3

        return executions.run(args, folder, aws, console)
    from airflow_ml_provider.cli import report  # noqa: PLC0415
    from airflow_ml_provider.factories import trial  # noqa: PLC0415

    console.print("Preparing Airflow ...")
    try:
        dags = trial.prepare(args.dags.absolute())
    except trial.TrialError as error:
        console.print(str(error), style="red", highlight=False)
        return 1
    laptop.keep_secrets(
        laptop.client("secretsmanager", aws.endpoint_url), (one for one, _ in args.sqlite)
    )
    runs = [(one.dag_id, when) for one in args.runs for when in one.logical_dates]
    if problems := trial.refusals(dags, runs):
        console.print("\n".join(problems), style="red", highlight=False)
        return 1
    for dag_id in {dag_id for dag_id, _ in runs}:
        laptop.prepare_account(aws.endpoint_url, *trial.resources(dags[dag_id]))
    results = []
    for dag_id, when in runs:
        console.rule(f"{dag_id} at {when:%Y-%m-%d %H:%M}", align="left")
        began = time.monotonic()
        result = trial.run(
            dags[dag_id],
            when,
            on_change=lambda task: report.progress(console, task),
            on_pause=lambda pause: report.show_pause(console, pause),
        )
        results.append(result)
        report.show_run(console, result, time.monotonic() - began)
    objects = laptop.keep_objects(aws.endpoint_url, folder / "s3")
    report.show_all(console, results, folder, aws.state_dir, objects)
    report.save(results, folder / "report.json")
    return 0 if all(result.succeeded for result in results) else 1


@contextmanager
def _own_terminal(log: Path) -> Iterator[Console]:
    """Keep the terminal for us; what Airflow and its tasks print goes to a file.

    Done with file descriptors, because Airflow's loggers and child processes hold their own.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    with log.open("wb") as file, os.fdopen(os.dup(1), "w", encoding="utf-8") as terminal:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield Console(file=terminal, width=None if terminal.isatty() else _WIDTH_OF_FILES)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in enumerate(saved, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)
