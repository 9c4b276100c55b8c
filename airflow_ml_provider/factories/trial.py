"""Running DAGs in this process, without a scheduler, and telling what their tasks did."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import (
    BaseOperator,
    load_dags,
    migrate_database,
    run_dag,
    task_instances,
)
from airflow_ml_provider.jobs.pause import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from airflow_ml_provider._compat import DAG

_BUCKET = re.compile(r"s3://([a-z0-9.-]+)/")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:([A-Za-z0-9_-]+)")
_POLL_SECONDS = 0.5


class TrialError(Exception):
    """The DAGs can't be run; the message says why."""


@dataclass(frozen=True)
class TaskResult:
    """What one task of a run did; ``state`` is Airflow's, ``result`` what it gave to XCom.

    ``task_id`` of a mapped task ends with its index: ``job[0]``.
    """

    task_id: str
    state: str | None
    seconds: float | None
    result: Any = None
    report: Any = None


@dataclass(frozen=True)
class RunResult:
    """One run; its tasks are in the order of the DAG."""

    dag_id: str
    run_id: str
    state: str
    interval: tuple[datetime, datetime] | None
    tasks: tuple[TaskResult, ...]

    @property
    def succeeded(self) -> bool:
        """Whether Airflow calls the run a success."""
        return self.state == "success"


def prepare(dags_folder: Path) -> dict[str, DAG]:
    """Make the metadata database and load the DAGs of a folder.

    :raises TrialError: if a file of it can't be imported.
    """
    migrate_database()
    dags, errors = load_dags(dags_folder)
    if errors:
        listed = "\n".join(f"{file}: {error}" for file, error in sorted(errors.items()))
        message = f"these files can't be imported:\n{listed}"
        raise TrialError(message)
    return dags


def refusals(dags: Mapping[str, DAG], wanted: Iterable[tuple[str, datetime]]) -> list[str]:
    """Name what of the wanted runs (DAG id, logical date) can't be."""
    problems = []
    for dag_id, logical_date in wanted:
        if dag_id not in dags:
            problems.append(f"{dag_id}: unknown; there are {', '.join(sorted(dags))}")
            continue
        first, last = dags[dag_id].start_date, dags[dag_id].end_date
        if (first and logical_date < first) or (last and logical_date > last):
            problems.append(f"{dag_id}: it runs from {first} to {last}, not at {logical_date}")
    return problems


def resources(dag: DAG) -> tuple[set[str], set[str]]:
    """Name the buckets and the SNS topics that the tasks of a DAG write to."""
    fields = [getattr(task, name, None) for task in dag.tasks for name in task.template_fields]
    text = json.dumps(fields, default=str)
    return set(_BUCKET.findall(text)), set(_TOPIC.findall(text))


def run(
    dag: DAG,
    logical_date: datetime,
    *,
    conf: Mapping[str, Any] | None = None,
    on_change: Callable[[TaskResult], None] = lambda _: None,
    on_pause: Callable[[Pause], None] = lambda _: None,
) -> RunResult:
    """Run a DAG once, as its schedule would at ``logical_date``.

    ``on_change`` is told from another thread when a task's state has changed, ``on_pause`` when a
    task that failed waits for its next try.
    """
    over = Event()
    with _reasons(dag) as reasons:
        watch = Thread(target=_watch, args=(dag, reasons, on_change, on_pause, over), daemon=True)
        watch.start()
        try:
            dag_run = run_dag(dag, logical_date, dict(conf or {}))
        finally:
            over.set()
            watch.join()
    interval = dag_run.data_interval_start, dag_run.data_interval_end
    return RunResult(
        dag_id=dag.dag_id,
        run_id=dag_run.run_id,
        state=str(getattr(dag_run.state, "value", dag_run.state)),
        interval=interval if None not in interval else None,
        tasks=_results(dag, dag_run.run_id, with_xcom=True),
    )


def _results(dag: DAG, run_id: str, *, with_xcom: bool) -> tuple[TaskResult, ...]:
    order = {task.task_id: number for number, task in enumerate(_sorted(dag))}
    found = [ti for ti in task_instances(dag.dag_id, run_id) if ti.task_id in order]
    return tuple(
        TaskResult(
            task_id=_named(ti),
            state=ti.state,
            seconds=ti.duration,
            result=_pulled(ti, "return_value") if with_xcom else None,
            report=_pulled(ti, "report") if with_xcom else None,
        )
        for ti in sorted(found, key=lambda ti: (order[ti.task_id], ti.map_index))
    )


def _named(ti: Any) -> str:
    return f"{ti.task_id}[{ti.map_index}]" if ti.map_index >= 0 else str(ti.task_id)


def _pulled(ti: Any, key: str) -> Any:
    return ti.xcom_pull(ti.task_id, key=key, map_indexes=ti.map_index)


def _sorted(dag: Any) -> Any:
    return dag.topological_sort()


@contextmanager
def _reasons(dag: DAG) -> Iterator[dict[str, str]]:
    """Collect why tries fail, by task, while a DAG runs in this process; Airflow forgets it."""
    found: dict[str, str] = {}

    def keep(context: Any) -> None:
        error = context.get("exception")
        found[_named(context["ti"])] = str(error).partition("\n")[0] or type(error).__name__

    tasks = [task for task in dag.tasks if isinstance(task, BaseOperator)]
    own = [task.on_retry_callback for task in tasks]
    for task, callbacks in zip(tasks, own, strict=True):
        listed = [callbacks] if callable(callbacks) else callbacks or ()
        task.on_retry_callback = [*listed, keep]
    try:
        yield found
    finally:
        for task, callbacks in zip(tasks, own, strict=True):
            task.on_retry_callback = callbacks


def _watch(
    dag: DAG,
    reasons: dict[str, str],
    on_change: Callable[[TaskResult], None],
    on_pause: Callable[[Pause], None],
    over: Event,
) -> None:
    known: dict[tuple[str, str], str | None] = {}
    for ti in task_instances(dag.dag_id):
        known[ti.run_id, _named(ti)] = ti.state
    while not over.wait(_POLL_SECONDS):
        for ti in task_instances(dag.dag_id):
            if known.get((ti.run_id, _named(ti))) != ti.state:
                known[ti.run_id, _named(ti)] = ti.state
                on_change(TaskResult(_named(ti), ti.state, ti.duration))
            if ti.state == "up_for_retry" and _named(ti) in reasons:
                on_pause(_pause(dag, ti, reasons.pop(_named(ti))))


def _pause(dag: DAG, ti: Any, reason: str) -> Pause:
    ti.task = dag.get_task(ti.task_id)
    seconds = (ti.next_retry_datetime() - ti.end_date).total_seconds()
    return Pause(_named(ti), ti.try_number, ti.max_tries + 1, reason, seconds)
