"""Every difference between the versions of Airflow that the package runs on: 2.11 to 3.3."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import Future
from datetime import datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.account import configured

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from airflow.sdk import (
        DAG,
        BaseOperator,
        BaseOperatorLink,
        BaseSensorOperator,
        Connection,
        PokeReturnValue,
    )
    from airflow.sdk.bases.skipmixin import SkipMixin
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferralTimeout,
    )
    from airflow.triggers.base import BaseTrigger

    from airflow_ml_provider.pipeline.account import Account
else:
    try:
        from airflow.sdk import (
            DAG,
            BaseOperator,
            BaseOperatorLink,
            BaseSensorOperator,
            PokeReturnValue,
        )
    except ImportError:  # 2.11
        from airflow.models.baseoperator import BaseOperator
        from airflow.models.baseoperatorlink import BaseOperatorLink
        from airflow.models.dag import DAG
        from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
    try:
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
        )
    except ImportError:  # 2.11, 3.0
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
        )
    try:
        from airflow.sdk.exceptions import TaskDeferralTimeout
    except ImportError:
        try:
            from airflow.exceptions import TaskDeferralTimeout  # 3.0
        except ImportError:  # 2.11 has one error for both, which its text tells apart
            from airflow.exceptions import TaskDeferralError as TaskDeferralTimeout
    try:
        from airflow.sdk.bases.skipmixin import SkipMixin
    except ImportError:
        from airflow.models.skipmixin import SkipMixin  # 2.11, 3.0
    try:
        from airflow.sdk.configuration import conf
    except ImportError:  # 2.11, 3.0
        from airflow.configuration import conf

__all__ = [
    "DAG",
    "AirflowException",
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "PokeReturnValue",
    "SkipMixin",
    "account",
    "conf",
    "counts_deferred",
    "current_task",
    "deferrable_by_default",
    "get_connection",
    "is_tried_again",
    "kills_triggers",
    "mapped_group",
    "skip_all_but",
    "state_of",
    "task_left_trigger",
    "timed_out",
    "triggerer_is_alive",
    "xcom_value",
]

SECTION = "airflow_ml_provider"
_HAS_SDK = find_spec("airflow.sdk") is not None
HEALTH_TIMEOUT_SECONDS = 2.0
_BUNDLE = "dags-folder"  # the name of the one that every Airflow 3 has
_REMEMBER_SECONDS = 60.0
_ASK_SECONDS = 60.0
_HURRIED_SECONDS = 2.0  # Airflow 3 gives a process that it ends five seconds
# Where a task goes from the loss of its process if another try is left.
_GOES_ON = {"deferred", "queued", "running", "scheduled", "up_for_reschedule", "up_for_retry"}
_seen: tuple[float, bool] | None = None


def account() -> Account:
    """Give the defaults of ``[airflow_ml_provider]`` in Airflow's configuration.

    :raises ValueError: ``tags`` is not a JSON object.
    """
    return configured(_option)


def data_interval_schedule(schedule: Any) -> Any:
    """Give a schedule whose runs have the data interval that just ended, as they had up to 2.11.

    Airflow 3 gives the runs of a cron expression or a ``timedelta`` an interval without length,
    which no incremental pipeline can use. Anything else is left as it is.
    """
    if not isinstance(schedule, (str, timedelta)) or schedule in {"@once", "@continuous"}:
        return schedule
    timetables = import_module("airflow.timetables.interval")
    if _HAS_SDK and hasattr(sdk := import_module("airflow.sdk"), "CronDataIntervalTimetable"):
        timetables = sdk  # 3.1 and later
    if isinstance(schedule, timedelta):
        return timetables.DeltaDataIntervalTimetable(schedule)
    return timetables.CronDataIntervalTimetable(schedule, timezone="UTC")


def mapped_group(group_id: str, items: BaseOperator, make: Callable[[], None]) -> None:
    """Let ``make`` make the tasks of a group that runs once for each item that a task answers.

    Their ids have no prefix. Call it inside a DAG.
    """
    # Costs something to import, and few DAGs have a map.
    module = import_module("airflow.sdk" if _HAS_SDK else "airflow.decorators")

    def group(item: Any) -> None:  # noqa: ARG001 - tasks find theirs by their map index
        make()

    decorate = module.task_group(group_id=group_id, prefix_group_id=False)
    decorate(group).expand(item=items.output)


def counts_deferred() -> bool:
    """Whether deferred tasks count as active ones of their DAG's run, as in 3.3 and later."""
    states = import_module("airflow.ti_deps.dependencies_states")
    return hasattr(states, "ACTIVE_STATES")


def deferrable_by_default() -> bool:
    """Whether to defer where nobody said so: if Airflow is told to, or if a triggerer lives.

    An explicit ``[operators] default_deferrable = True`` wins. Ask it when a task runs, never when
    a DAG is parsed: it reads the metadata database (2.11) or the API server's health (3.x).
    """
    if conf.getboolean("operators", "default_deferrable", fallback=False):
        return True
    return triggerer_is_alive()


def triggerer_is_alive() -> bool:
    """Whether a triggerer has sent a heartbeat lately; ``False`` if that can't be found out.

    The answer is remembered for a minute.
    """
    global _seen  # noqa: PLW0603 - one answer a process
    now = time.monotonic()
    if _seen is None or now - _seen[0] > _REMEMBER_SECONDS:
        _seen = (now, _health().get("triggerer", {}).get("status") == "healthy")
    return _seen[1]


def _health() -> dict[str, Any]:
    if not _HAS_SDK:
        from airflow.api.common.airflow_health import get_airflow_health  # noqa: PLC0415

        return dict(get_airflow_health())
    from urllib.request import urlopen  # noqa: PLC0415

    # A task of 3.x has no way to the metadata database; this page asks for no login.
    base_url = conf.get("api", "base_url", fallback=None) or "/"
    if base_url.startswith("/"):
        base_url = f"http://localhost:8080{base_url}"
    server = conf.get("core", "execution_api_server_url", fallback=None) or base_url
    url = f"{server.rstrip('/').removesuffix('/execution')}/api/v2/monitor/health"
    try:
        with urlopen(url, timeout=HEALTH_TIMEOUT_SECONDS) as answer:  # noqa: S310 - Airflow's own
            health = json.load(answer)
    except (OSError, ValueError):  # not to be reached, or something else answers there
        return {}
    return health if isinstance(health, dict) else {}


def get_connection(conn_id: str) -> Connection:
    """Give a connection of Airflow.

    :raises AirflowNotFoundException: there is none of this id.
    """
    try:
        hook = import_module("airflow.sdk").BaseHook
    except (ImportError, AttributeError):  # 2.11, 3.0
        hook = import_module("airflow.hooks.base").BaseHook
    connection: Connection = hook.get_connection(conn_id)
    return connection


def migrate_database() -> None:
    """Make or upgrade the metadata database that Airflow's configuration names."""
    from airflow.utils.db import initdb  # noqa: PLC0415

    initdb()


def load_dags(folder: Path) -> tuple[dict[str, DAG], dict[str, str]]:
    """Load the DAGs of a folder: by id, and the errors by file; the database gets to know them."""
    if not _HAS_SDK:
        bag = import_module("airflow.models.dagbag").DagBag(folder, include_examples=False)
        bag.sync_to_db()
        return dict(bag.dags), dict(bag.import_errors)
    manager = import_module("airflow.dag_processing.bundles.manager")
    manager.DagBundlesManager().sync_bundles_to_db()
    try:
        module = import_module("airflow.dag_processing.dagbag")
        bag = module.DagBag(folder)
        module.sync_bag_to_db(bag, _BUNDLE, None)
    except ImportError:  # 3.0
        bag = import_module("airflow.models.dagbag").DagBag(folder, include_examples=False)
        bag.sync_to_db(_BUNDLE, None)
    return dict(bag.dags), dict(bag.import_errors)


def run_dag(dag: DAG, logical_date: datetime, run_conf: dict[str, Any]) -> Any:
    """Run a DAG in this process and give its ``DagRun``."""
    options: dict[str, Any] = {"logical_date" if _HAS_SDK else "execution_date": logical_date}
    return dag.test(run_conf=run_conf, **options)


def task_instances(dag_id: str, run_id: str | None = None) -> list[Any]:
    """Read the task instances of a DAG, of one run or of all, from the metadata database."""
    from airflow.models.taskinstance import TaskInstance  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415

    with create_session() as session:
        query = session.query(TaskInstance).filter(TaskInstance.dag_id == dag_id)
        if run_id is not None:
            query = query.filter(TaskInstance.run_id == run_id)
        found = query.all()
        session.expunge_all()
    return list(found)


def xcom_value(key: str, ti_key: Any) -> Any:
    """Read one XCom of a task instance, as links do; ``None`` if there is none."""
    path = "airflow.sdk.execution_time.xcom" if _HAS_SDK else "airflow.models.xcom"
    return import_module(path).XCom.get_value(key=key, ti_key=ti_key)


def timed_out(error: AirflowException) -> bool:
    """Whether a deferral ended because its time was over, not because its trigger broke."""
    if _HAS_SDK:
        return isinstance(error, TaskDeferralTimeout)
    return isinstance(error, TaskDeferralTimeout) and "timeout" in str(error).lower()


def kills_triggers() -> bool:
    """Whether this Airflow calls a trigger's ``on_kill``, as 3.3 does; others only cancel it."""
    from airflow.triggers.base import BaseTrigger  # noqa: PLC0415

    return hasattr(BaseTrigger, "on_kill")


async def task_left_trigger(trigger: BaseTrigger) -> bool:
    """Whether a cancelled or killed trigger's task waits for it no more.

    Its task was marked, cleared or deleted, or its time is over. A triggerer that stops, and one
    whose triggers another one has taken over, cancels them too (3.3 calls ``on_kill`` for the
    latter), but their tasks stay deferred. ``False`` if the state can't be found out.
    """
    from asgiref.sync import sync_to_async  # noqa: PLC0415

    # Not in the one thread that all triggers share: many may be killed at once.
    asking = sync_to_async(_state_of, thread_sensitive=False)(trigger.task_instance)
    asked = asyncio.ensure_future(asking)
    try:
        # Not `wait_for`: it would end the asking, and that breaks a triggerer of 3.0 to 3.2.
        answered, _ = await asyncio.wait({asked}, timeout=_ASK_SECONDS)
        return bool(answered) and asked.result() != "deferred"
    except Exception:  # noqa: BLE001 - the triggerer is going down, its connections may be gone
        return False


def current_task() -> Any:
    """Give the task instance that this process runs; ``None`` if it runs none."""
    module = import_module("airflow.sdk" if _HAS_SDK else "airflow.operators.python")
    try:
        return module.get_current_context()["ti"]
    except Exception:  # noqa: BLE001 - each version has its own error for it
        return None


def is_tried_again(ti: Any) -> bool:
    """Whether Airflow goes on with a task whose process it ends: the next try needs its job.

    A process is ended because somebody decided about its task (marked, cleared or deleted it), or
    because it was not heard of for too long, or its machine is taken away; then another try follows
    if one is left. Also ``True`` if one is left and Airflow can't be asked. For a signal handler:
    asks in a thread, because what was interrupted may itself be talking to Airflow.
    """
    if isinstance(sys.exc_info()[1], AirflowTaskTimeout) or ti.try_number > ti.max_tries:
        return False
    state: Future[str] = Future()

    def ask() -> None:
        try:
            state.set_result(_state_of(ti))
        except Exception as error:  # noqa: BLE001 - whatever it is, Airflow can't be asked
            state.set_exception(error)

    Thread(target=ask, daemon=True).start()
    try:
        return state.result(_HURRIED_SECONDS) in _GOES_ON
    except Exception:  # noqa: BLE001 - as above
        return True


def skip_all_but(task: Any, ti: Any, going_on: Collection[str]) -> None:
    """Skip what follows a task directly but for ``going_on``; the task must be a ``SkipMixin``."""
    task.skip_all_except(ti, sorted(going_on))
    if _HAS_SDK and ti.map_index >= 0:
        # Versions that left it to the scheduler come here: 3.3 looks for a mapped task's decision
        # under the index of a task that isn't mapped, and skips nothing.
        exceptions = import_module("airflow.sdk.exceptions")
        if not hasattr(exceptions, "DownstreamTasksSkipped"):
            exceptions = import_module("airflow.exceptions")  # 3.0
        skipped = [(one, ti.map_index) for one in sorted(task.downstream_task_ids - set(going_on))]
        raise exceptions.DownstreamTasksSkipped(tasks=skipped)


def state_of(ti: Any, task_id: str) -> str:
    """Ask for the state of a task of the same run and map index; empty if there is none."""
    if _HAS_SDK:
        runner = import_module("airflow.sdk.execution_time.task_runner")
        states = runner.RuntimeTaskInstance.get_task_states(
            dag_id=ti.dag_id, task_ids=[task_id], run_ids=[ti.run_id], map_index=ti.map_index
        )
        return str(next(iter(states.get(ti.run_id, {}).values()), None) or "")
    found = import_module("airflow.models.taskinstance").TaskInstance.get_task_instance(
        ti.dag_id, ti.run_id, task_id, ti.map_index
    )
    return str(found.state or "") if found else ""


def _state_of(ti: Any) -> str:
    return state_of(ti, ti.task_id)


def _option(name: str) -> str | None:
    return conf.get(SECTION, name, fallback=None) or None
