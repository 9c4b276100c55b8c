"""``airflow-ml ui``: Airflow's own UI with a folder of DAGs, against a local AWS."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import laptop

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

_HOST = "127.0.0.1"
_STOP_SECONDS = 20.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    laptop.add_arguments(parser)
    parser.add_argument("--port", type=int, default=8080, help="of the UI, on 127.0.0.1")
    parser.add_argument("--bucket", action="append", default=[], help="made in the local S3")
    parser.add_argument("--topic", action="append", default=[], help="made in the local SNS")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; return 1 if the port is taken."""
    from airflow_ml_provider.local.server import LocalAws  # noqa: PLC0415 - an extra

    if not _is_free(args.port):
        print(f"port {args.port} on {_HOST} is in use; give another by --port", file=sys.stderr)
        return 1
    home: Path = args.home.absolute()
    (home / "airflow").mkdir(parents=True, exist_ok=True)
    # SIGTERM must unwind like Ctrl-C does, so that nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with LocalAws(state_dir=home / "jobs") as aws:
        laptop.enter(laptop.settings(args, aws.endpoint_url) | _server_settings(args.port))
        laptop.prepare_account(aws.endpoint_url, args.bucket, args.topic)
        print(
            f"Local AWS at {aws.endpoint_url}; its state lives as long as this process.\n"
            f"Airflow's UI will be at http://{_HOST}:{args.port} (no login); log: {home}/ui.log\n"
            "Ctrl-C ends both.",
            flush=True,
        )
        with (home / "ui.log").open("wb") as log:
            airflow = subprocess.Popen(  # noqa: S603 - the airflow of this environment
                [sys.executable, "-m", "airflow", "standalone"],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return airflow.wait()
            except KeyboardInterrupt:
                return 0
            finally:
                _end(airflow.pid)


def _server_settings(port: int) -> dict[str, str]:
    url = f"http://{_HOST}:{port}"
    return {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": _HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__PARALLELISM": str(max(os.cpu_count() or 1, 4)),
        # Everybody who reaches this loopback port is the user of this machine.
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "10",
        # A small machine is slow while everything starts.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) != 0


def _end(pid: int) -> None:
    """End a process and all below it: Airflow's standalone leaves children behind."""
    import psutil  # noqa: PLC0415 - of the extra, like the local AWS

    try:
        root = psutil.Process(pid)
        family = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(family, timeout=_STOP_SECONDS)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
