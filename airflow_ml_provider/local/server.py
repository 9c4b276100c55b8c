"""The local AWS as a server on loopback: `LocalAws`."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING

from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from typing_extensions import Self
from werkzeug.serving import BaseWSGIServer, make_server

from airflow_ml_provider.local import s3_patches, step_functions
from airflow_ml_provider.local.access import Access, RoleCall
from airflow_ml_provider.local.cloud import Clients, Cloud, Turns
from airflow_ml_provider.local.dispatch import Dispatcher
from airflow_ml_provider.local.interpreters import Interpreters
from airflow_ml_provider.local.mounts import REWRITING, Isolation, find_isolation
from airflow_ml_provider.local.registry import operations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

DEFAULT_PORT = 4566
ANY_HOST = "0.0.0.0"  # noqa: S104 - compared with, never a default
# What AWS gives a stopped training job before SIGKILL.
STOP_GRACE_SECONDS = 120.0
_running = 0
_running_lock = Lock()


class ServerError(Exception):
    """The local AWS can't start; the message says why and what mends it."""


class _QuietRequestHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: one line a request hides what matters."""


class LocalAws:
    """AWS on localhost, for the length of a ``with`` block, in threads of this process.

    Its state lives as long as the block. Two at a time in one process share what moto keeps
    (buckets, logs, definitions), but not their jobs.

    Args:
        host: a loopback address, or any IPv4 address of this machine with `allow_remote`.
        port: 0 lets the system choose one.
        state_dir: where work folders and logs of jobs go, a new folder each start; by default
            below the user's cache folder.
        max_jobs: jobs that run at once; by default the number of cores.
        python: the Python that runs jobs; by default the one that runs this.
        pythons: other Pythons by image glob, ``glue`` or ``emr-serverless``; first match wins.
        stop_grace_seconds: between SIGTERM and SIGKILL of a stopped job.
        enforce_iam: whether a role that an orchestrator runs as must allow what it calls.
        namespaces: whether jobs get /opt/ml by mount namespaces, where the machine allows them.
        wait_scale: factor for the pauses of state machines (Retry, Wait), for tests.
        allow_remote: whether others than this machine may reach it, and run what they like here;
            for a container whose port is published on a loopback address.

    Raises:
        ServerError: on entering, if the address can't be used.

    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        state_dir: Path | None = None,
        max_jobs: int | None = None,
        python: Path | None = None,
        pythons: Mapping[str, Path] | None = None,
        stop_grace_seconds: float = STOP_GRACE_SECONDS,
        namespaces: bool = True,
        wait_scale: float = 1.0,
        enforce_iam: bool = False,
        allow_remote: bool = False,
    ) -> None:
        self._address = (host, port)
        self._allow_remote = allow_remote
        self.state_dir = (state_dir or default_state_dir()).absolute() / _folder_name()
        self._cores = os.cpu_count() or 1
        self.max_jobs = max_jobs or self._cores
        self._interpreters = Interpreters(
            python or Path(sys.executable), tuple((pythons or {}).items())
        )
        self._stop_grace_seconds = stop_grace_seconds
        self._namespaces = namespaces
        self._wait_scale = wait_scale
        self._access = Access(enforce=enforce_iam)
        self.isolation: Isolation = REWRITING
        self._server: BaseWSGIServer | None = None
        self._turns: Turns | None = None
        self._cloud: Cloud | None = None
        self._thread: Thread | None = None

    @property
    def endpoint_url(self) -> str:
        """What ``AWS_ENDPOINT_URL`` must be on this machine."""
        if self._server is None:
            raise ServerError("the local AWS is not running: use it in a with block")
        host = "127.0.0.1" if self._server.host == ANY_HOST else self._server.host
        return f"http://{host}:{self._server.port}"

    @property
    def calls(self) -> list[RoleCall]:
        """What was called until now in the name of roles."""
        return self._access.calls

    def __enter__(self) -> Self:
        host, port = self._address
        if not (self._allow_remote or _is_loopback(host)):
            raise ServerError(
                f"host {host!r} is not a loopback address: the local AWS checks no credentials and "
                "runs what it is sent, so it only listens on this machine; use 127.0.0.1, or in a "
                "container whose port is published on 127.0.0.1 alone --allow-remote"
            )
        self._server = _bind(host, port)
        self.isolation = find_isolation() if self._namespaces else REWRITING
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._turns = Turns(self.max_jobs)
        cloud = self._cloud = Cloud(
            endpoint_url=self.endpoint_url,
            state_dir=self.state_dir,
            interpreters=self._interpreters,
            isolation=self.isolation,
            turns=self._turns,
            stop_grace_seconds=self._stop_grace_seconds,
            cores=self._cores,
            clients=Clients(self.endpoint_url, self._access),
            wait_scale=self._wait_scale,
        )
        s3_patches.install()
        moto = DomainDispatcherApplication(create_backend_app)
        self._server.app = Dispatcher(moto, operations(cloud))
        # Moto's own calls, such as those of Step Functions, come back here.
        os.environ["MOTO_PORT"] = str(self._server.port)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        _count(1)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._cloud:
            step_functions.close(self._cloud)
        if self._turns:
            self._turns.close()
        if self._server and self._thread:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        _count(-1)


def default_state_dir() -> Path:
    """Return the folder below the user's cache folder where jobs are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "airflow-ml", "local")


def _folder_name() -> str:
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{os.getpid()}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bind(host: str, port: int) -> BaseWSGIServer:
    try:
        # Bound here, because werkzeug ends the process when a port is taken.
        listener = socket.create_server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ServerError(
                f"port {port} on {host} is in use: choose another one, or 0 for any free port"
            ) from error
        raise ServerError(f"can't listen on {host}:{port}: {error}") from error
    with listener:
        real_host, real_port = listener.getsockname()[:2]
        return make_server(
            real_host,
            real_port,
            lambda _environ, _start: (),
            threaded=True,
            request_handler=_QuietRequestHandler,
            fd=listener.fileno(),
        )


def _count(change: int) -> None:
    global _running  # noqa: PLW0603 - moto's state is global too
    with _running_lock:
        _running += change
        step_functions.switch(on=_running > 0)
        if _running == 0:
            moto_api_backend.reset()
