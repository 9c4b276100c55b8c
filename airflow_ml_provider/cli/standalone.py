"""Airflow's own processes on this machine: started together, watched, ended together.

The command ``airflow standalone`` is not used: its log servers listen on all interfaces, and it
leaves processes behind when it is ended.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import Request, urlopen

from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event
    from types import TracebackType

    import psutil

T = TypeVar("T")

HOST = "127.0.0.1"
# The API server reads the log files itself; the log servers would listen on all interfaces.
_SERVERS = {
    "scheduler": ("--skip-serve-logs",),
    "triggerer": ("--skip-serve-logs",),
    "dag-processor": (),
    "api-server": ("--host", HOST, "--workers", "1"),
}
_PARTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
_HIGHEST_PORT = 65535
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 10.0
_STOP_SECONDS = 5.0
_TAIL_LINES = 15


class StandaloneError(Exception):
    """Airflow can't run; the message says why."""


class StoppedError(Exception):
    """The end was asked for while something was waited for."""


def settings(port: int) -> dict[str, str]:
    """Give the environment of these processes, beside that of `laptop.settings`."""
    url = f"http://{HOST}:{port}"
    return {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{__name__}.host",
        "AIRFLOW__CORE__PARALLELISM": str(max(os.cpu_count() or 1, 4)),
        # Everybody who reaches this loopback port is the user of this machine.
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        # A small machine is slow while everything starts.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }


def host() -> str:
    """Name this machine to Airflow: its real name need not resolve."""
    return HOST


def free_port(port: int) -> int:
    """Give ``port`` back if nobody listens there; for 0 a free one.

    :raises StandaloneError: it can't be had.
    """
    if not 0 <= port <= _HIGHEST_PORT:
        raise StandaloneError(f"--port {port} must be one of 0 to {_HIGHEST_PORT}")
    try:
        with socket.create_server((HOST, port)) as listener:
            return int(listener.getsockname()[1])
    except OSError as error:
        raise StandaloneError(
            f"can't listen on {HOST}:{port} ({error}); end what is there or give another --port: "
            "0 takes any free one"
        ) from error


class Standalone:
    """Airflow for the length of a ``with`` block; each process logs to ``<folder>/<name>.log``.

    All waiting ends with `StoppedError` when ``stop`` is set, and with `StandaloneError` when a
    process has ended.
    """

    def __init__(self, port: int, folder: Path, stop: Event) -> None:
        self.url = f"http://{HOST}:{port}"
        self._folder = folder
        self._stop = stop
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import psutil  # noqa: PLC0415 - of the extra, like the local AWS

        # Again, because a process may have started another one meanwhile.
        while family := self._family():
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
            for process in psutil.wait_procs(family, timeout=_STOP_SECONDS)[1]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        for ended in self._processes.values():
            ended.wait()

    def start(self, wait_seconds: float) -> None:
        """Make the metadata database, start all and return when all of it is healthy."""
        migration = self._launch("db", "migrate")
        self._until(lambda: migration.poll() is not None, wait_seconds)
        if migration.returncode != 0:
            raise self._ended("db", migration.returncode)
        # Its number may be another process's by the time of the end.
        del self._processes["db"]
        for command, arguments in _SERVERS.items():
            self._launch(command, *arguments)
        if not self._until(self._healthy, wait_seconds):
            health = json.dumps(self._get("api/v2/monitor/health"), indent=2)
            raise StandaloneError(
                f"it was not healthy within {wait_seconds:.0f} s; see the logs in {self._folder}; "
                f"its health:\n{health}"
            )

    def dags(self, wait_seconds: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Wait for the first DAGs or import errors; answer both as Airflow's API spells them."""

        def found() -> tuple[list[dict[str, Any]], list[dict[str, Any]]] | None:
            token = (self._get("auth/token") or {}).get("access_token", "")
            dags = self._get("api/v2/dags", token) or {}
            errors = self._get("api/v2/importErrors", token) or {}
            both = dags.get("dags", []), errors.get("import_errors", [])
            return both if any(both) else None

        return self._until(found, wait_seconds) or ([], [])

    def watch(self) -> None:
        """Wait for the end."""
        self._until(lambda: False, float("inf"))

    def _launch(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{command}.log").open("wb") as log:
            self._processes[command] = subprocess.Popen(  # noqa: S603 - the airflow of this Python
                [sys.executable, "-m", "airflow", command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._processes[command]

    def _until(self, answer: Callable[[], T | None], wait_seconds: float) -> T | None:
        """Ask until the answer is true; it is ``None`` or false when the time is over."""
        deadline = time.monotonic() + wait_seconds
        while not (given := answer()) and time.monotonic() < deadline:
            if self._stop.wait(_POLL_SECONDS):
                raise StoppedError
            for name, process in self._processes.items():
                if name in _SERVERS and process.poll() is not None:
                    raise self._ended(name, process.returncode)
        return given

    def _ended(self, name: str, code: int | None) -> StandaloneError:
        log = self._folder / f"{name}.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        how = "is not done yet" if code is None else f"ended with exit code {code}"
        return StandaloneError(f"airflow {name} {how}; {log} says\n{tail}")

    def _healthy(self) -> bool:
        health = self._get("api/v2/monitor/health") or {}
        return all(health.get(part, {}).get("status") == "healthy" for part in _PARTS)

    def _get(self, path: str, token: str = "") -> Any:
        """Ask Airflow's API; ``None`` while it can't answer."""
        request = Request(f"{self.url}/{path}")  # noqa: S310 - Airflow's own, on loopback
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def _family(self) -> list[psutil.Process]:
        """Find all processes below ours, even those whose parent has gone: the session stays."""
        import psutil  # noqa: PLC0415

        sessions = {process.pid for process in self._processes.values()}
        family: set[psutil.Process] = set()
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, OSError):
                if os.getsid(process.pid) in sessions:
                    family |= {process, *process.children(recursive=True)}
        return [process for process in family if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    import psutil  # noqa: PLC0415

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
