"""``airflow-ml ui``: Airflow with a folder of DAGs in the browser, against a local AWS."""

from __future__ import annotations

import fcntl
import shutil
import signal
import sys
from contextlib import contextmanager
from importlib.metadata import version
from threading import Event
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import laptop, standalone

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

_FOLDER = "airflow-ui"
_OLDEST_AIRFLOW = 3
_START_SECONDS = 300.0
_PARSE_SECONDS = 90.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    laptop.add_arguments(parser)
    parser.add_argument(
        "--port", type=int, default=8080, help="of the UI, on 127.0.0.1; 0 takes any free one"
    )
    parser.add_argument("--bucket", action="append", default=[], help="made in the local S3")
    parser.add_argument("--topic", action="append", default=[], help="made in the local SNS")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; return 1 if Airflow can't start or a part of it has died."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup has the hang-up ignored.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    try:
        _serve(args, stop)
    except standalone.StoppedError:
        return 0
    except standalone.StandaloneError as error:
        print(f"airflow-ml ui: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        print(f"{error}; pip install 'airflow-ml-provider[local]' brings it", file=sys.stderr)
    return 1


def _serve(args: argparse.Namespace, stop: Event) -> None:
    from airflow_ml_provider.local.server import LocalAws  # noqa: PLC0415 - an extra

    _check_airflow()
    port = standalone.free_port(args.port)
    with (
        _fresh(args.home.absolute() / _FOLDER) as folder,
        LocalAws(state_dir=args.home / "jobs") as aws,
    ):
        laptop.enter(laptop.settings(args, aws.endpoint_url, _FOLDER) | standalone.settings(port))
        laptop.prepare_account(aws.endpoint_url, args.bucket, args.topic)
        laptop.keep_secrets(
            laptop.client("secretsmanager", aws.endpoint_url), (one for one, _ in args.sqlite)
        )
        with standalone.Standalone(port, folder, stop) as airflow:
            _say(f"Starting the local AWS and Airflow; their logs are in {folder} ...")
            airflow.start(_START_SECONDS)
            _say_where(airflow, aws.endpoint_url)
            try:
                airflow.watch()
            finally:
                _say("Ending Airflow, the local AWS and the jobs that still run ...")


def _say_where(airflow: standalone.Standalone, endpoint_url: str) -> None:
    _say(f"Airflow's UI answers at {airflow.url} (no login), the local AWS at {endpoint_url}.")
    dags, errors = airflow.dags(_PARSE_SECONDS)
    for dag in dags:
        _say(f"  {airflow.url}/dags/{dag['dag_id']}  {dag.get('description') or ''}")
    for error in errors:
        _say(f"  can't be imported: {error['filename']}\n{error['stack_trace']}")
    _say("Ctrl-C ends both. Runs, data and models last as long as they do.")


def _check_airflow() -> None:
    if int(version("apache-airflow").partition(".")[0]) < _OLDEST_AIRFLOW:
        raise standalone.StandaloneError(
            f"this command needs Airflow {_OLDEST_AIRFLOW}, and here is {version('apache-airflow')}"
        )


@contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    """Empty a folder and keep it for this process: old runs would point to data that is gone."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise standalone.StandaloneError(
                f"another one is running with --home {folder.parent}; end it or give another home"
            ) from None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder


def _say(text: str) -> None:
    print(text, flush=True)
