"""A real Airflow of any supported version: scheduler, triggerer, DAG processor, API, PostgreSQL.

Its processes can be killed and started again one by one. What Airflow knows is read from its
database, so that it can be read while any process is down; what is asked of it goes by its API.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import psutil
import psycopg2
from postgres import postgres
from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPOSITORY = Path(__file__).parents[2]
HOST = "127.0.0.1"
START_SECONDS = 180.0
STOP_SECONDS = 15.0
SIGNALS = 3
SIGNAL_SECONDS = 30.0
STRANGE = ("AIRFLOW", "AWS_", "JAVA")
SETTINGS = {
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__HOSTNAME_CALLABLE": "airflow_ml_provider.cli.standalone.host",
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
    # A small machine is slow while everything starts.
    "WORKERS__EXECUTION_API_TIMEOUT": "60",
    # Whatever dies is noticed soon.
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    # A scheduler that is late takes itself for dead and starts all its tasks anew.
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
}
SETTINGS_OF_2 = {
    "API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
    "SCHEDULER__STANDALONE_DAG_PROCESSOR": "True",
    "SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "600",
    "SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "10",
    "SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
}
PARTS = ("scheduler", "triggerer", "dag-processor", "api-server")


@dataclass(frozen=True)
class TaskView:
    """A row of Airflow's table of task instances."""

    state: str | None
    try_number: int
    max_tries: int
    pid: int | None
    trigger_id: int | None


class Airflow:
    """Airflow for the length of a ``with`` block, all of it below ``folder``.

    AIRFLOW_PYTHON may name the Python whose Airflow it is; its version may be another than ours.

    :param dags: the folder of the DAGs.
    :param env: more environment for all of its processes.
    :param parallelism: how many tasks run at once.
    """

    def __init__(
        self,
        folder: Path,
        dags: Path,
        *,
        env: Mapping[str, str] | None = None,
        parallelism: int = 8,
    ) -> None:
        self.folder = folder.absolute()
        self._python = os.environ.get("AIRFLOW_PYTHON", sys.executable)
        self.version = _version(self._python)
        with socket.create_server((HOST, 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        settings = {
            **SETTINGS,
            **({} if self.version >= (3,) else SETTINGS_OF_2),
            "API__BASE_URL": self.url,
            "API__PORT": str(self.port),
            "CORE__DAGS_FOLDER": str(dags.absolute()),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__PARALLELISM": str(parallelism),
        }
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(STRANGE)},
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            "AIRFLOW_HOME": str(self.folder / "home"),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONWARNINGS": "ignore",
            **(env or {}),
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._sessions: set[int] = set()
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        home = Path(self._env["AIRFLOW_HOME"])
        home.mkdir(parents=True)
        # 2.11: everybody who reaches this loopback port may do everything.
        (home / "webserver_config.py").write_text('AUTH_ROLE_PUBLIC = "Admin"\n')
        with self._exits as exits:
            self._socket = exits.enter_context(postgres(self.folder / "postgres"))
            exits.callback(self._end)
            url = f"postgresql+psycopg2://postgres@/postgres?host={quote(str(self._socket))}"
            self._env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url
            self._launch("db", "db", "migrate").wait(START_SECONDS)
            if self._processes.pop("db").returncode:
                raise RuntimeError(f"airflow db migrate failed:\n{self._tail('db')}")
            for name in PARTS:
                self.start(name)
            until(self._healthy, f"a healthy Airflow; see {self.folder}", START_SECONDS)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._exits.close()

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run as soon as the DAG is known; gives the run's id."""
        known = "select 1 from dag where dag_id = %s"
        until(lambda: self.sql(known, dag_id), f"the DAG {dag_id}; see {self.folder}")
        self.call(f"dags/{dag_id}", {"is_paused": False}, "PATCH")
        body: dict[str, Any] = {"conf": conf or {}}
        if self.version >= (3,):
            body["logical_date"] = None
        return str(self.call(f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def runs(self) -> dict[tuple[str, str], str]:
        """Give the state of every run by DAG and run id."""
        rows = self.sql("select dag_id, run_id, state from dag_run")
        return {(dag_id, run_id): state for dag_id, run_id, state in rows}

    def task(self, dag_id: str, run_id: str, task_id: str) -> TaskView | None:
        """Look at a task; ``None`` if its run was deleted or has not got it yet."""
        rows = self.sql(
            "select state, try_number, max_tries, pid, trigger_id from task_instance"
            " where dag_id = %s and run_id = %s and task_id = %s",
            *(dag_id, run_id, task_id),
        )
        return TaskView(*rows[0]) if rows else None

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> str:
        """Read what a try wrote, in the worker and in the triggerer."""
        folder = self.folder / f"home/logs/dag_id={dag_id}/run_id={run_id}/task_id={task_id}"
        files = sorted(folder.glob(f"attempt={try_number}.log*"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear one task as a person does in the UI."""
        if self.version < (3,):
            # The API of 2.11 forgets to tell a running task, unlike the UI and the command line.
            query = "select execution_date from dag_run where dag_id = %s and run_id = %s"
            date = self.sql(query, dag_id, run_id)[0][0].isoformat()
            dates = ("--start-date", date, "--end-date", date)
            command = ("tasks", "clear", "--yes", "--task-regex", f"^{task_id}$", *dates, dag_id)
            if self._launch("clear", *command).wait(START_SECONDS):
                raise RuntimeError(self._tail("clear"))
            return
        body = {"dry_run": False, "task_ids": [task_id], "dag_run_id": run_id}
        options = {"only_failed": False, "reset_dag_runs": True}
        self.call(f"dags/{dag_id}/clearTaskInstances", {**body, **options})

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task as ``failed`` or ``success``."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"
        body = (
            {"new_state": state} if self.version >= (3,) else {"dry_run": False, "new_state": state}
        )
        self.call(path, body, "PATCH")

    def mark_run(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a run as ``failed`` or ``success``."""
        self.call(f"dags/{dag_id}/dagRuns/{quote(run_id)}", {"state": state}, "PATCH")

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete a run with all it knows."""
        self.call(f"dags/{dag_id}/dagRuns/{quote(run_id)}", method="DELETE")

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the metadata database."""
        database = psycopg2.connect(host=str(self._socket), user="postgres", dbname="postgres")
        try:
            with database, database.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()
        finally:
            database.close()

    def call(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Call Airflow's REST API."""
        request = Request(
            f"{self.url}/api/{'v2' if self.version >= (3,) else 'v1'}/{path}",
            headers=self._login(),
            method=method,
        )
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or "null")
        except HTTPError as error:
            raise RuntimeError(f"{error} {request.full_url}: {error.read().decode()}") from error

    def start(self, name: str) -> psutil.Process:
        """Start a process of `PARTS`; a second one is called e.g. ``triggerer-2``."""
        part = next(part for part in PARTS if name.startswith(part))
        more: tuple[str, ...] = ()
        if part in {"scheduler", "triggerer"}:
            # The log servers would listen on all interfaces.
            more = ("--skip-serve-logs",)
        elif part == "api-server" and self.version >= (3,):
            more = ("--host", HOST, "--workers", "1")
        elif part == "api-server":
            part, more = "webserver", ("--hostname", HOST, "--port", str(self.port), "-w", "1")
        more = (*more, "--pid", str(self.folder / f"{name}.pid"))
        return psutil.Process(self._launch(name, part, *more).pid)

    def kill(self, name: str, how: int = signal.SIGKILL, *, family: bool = False) -> None:
        """Signal a process and wait for its end; with ``family`` all that it has started too."""
        process = self._processes.pop(name)
        children = psutil.Process(process.pid).children(recursive=True) if family else []
        for _ in range(SIGNALS):
            for one in (process, *children):
                with suppress(psutil.NoSuchProcess, ProcessLookupError):
                    one.send_signal(how)
            # The first one is lost sometimes: 2.11 turns it into an exception, wherever it is.
            with suppress(subprocess.TimeoutExpired):
                process.wait(SIGNAL_SECONDS)
                return
        raise RuntimeError(f"{name} does not end by signal {how}:\n{self._tail(name)}")

    def family(self, name: str) -> list[psutil.Process]:
        """Give a process of `PARTS` with all below it."""
        process = psutil.Process(self._processes[name].pid)
        return [process, *process.children(recursive=True)]

    def task_processes(self) -> list[psutil.Process]:
        """Give the processes that run a task's code now, with the workers that supervise them.

        An executor's worker that has no task has no child; a worker's parents are not among them.
        """
        workers = [one for one in self._living() if _title(one).startswith("airflow worker")]
        busy = [one for one in workers if one.children()]
        return list(
            {one: None for worker in busy for one in (worker, *worker.children(recursive=True))}
        )

    def _launch(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [self._python, "-m", "airflow", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self.folder,
                start_new_session=True,
            )
        self._processes[name] = process
        self._sessions.add(process.pid)
        return process

    def _login(self) -> dict[str, str]:
        if self.version < (3,):
            return {}
        with urlopen(f"{self.url}/auth/token", timeout=60) as answer:
            return {"Authorization": f"Bearer {json.load(answer)['access_token']}"}

    def _healthy(self) -> bool:
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended:\n{self._tail(name)}")
        try:
            health = self.call("monitor/health" if self.version >= (3,) else "health")
        except (OSError, ValueError, RuntimeError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health[part]["status"] == "healthy" for part in parts)

    def _tail(self, name: str) -> str:
        log = self.folder / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-30:])

    def _living(self) -> list[psutil.Process]:
        """Find all our processes, even those whose parent has gone: the session stays."""
        living = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, OSError):
                ours = os.getsid(process.pid) in self._sessions
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    living.append(process)
        return living

    def _end(self) -> None:
        # Again, because a process may have started another one meanwhile.
        while living := self._living():
            for process in living:
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
            for process in psutil.wait_procs(living, timeout=STOP_SECONDS)[1]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        for ended in self._processes.values():
            ended.wait()


def until(answer: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Ask until the answer is true and give it."""
    deadline = time.monotonic() + seconds
    while not (given := answer()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.25)
    return given


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _version(python: str) -> tuple[int, ...]:
    code = "from importlib.metadata import version; print(version('apache-airflow'))"
    text = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    return tuple(int(number) for number in text.strip().split(".")[:3])
