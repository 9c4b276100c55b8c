from __future__ import annotations

from datetime import datetime, timedelta, timezone
from threading import Event
from types import SimpleNamespace

import pytest

from airflow_ml_provider._compat import DAG, BaseOperator
from airflow_ml_provider.factories import trial
from airflow_ml_provider.jobs.pause import Pause

ENDED = datetime(2013, 8, 29, tzinfo=timezone.utc)


class Instance(SimpleNamespace):
    """A task instance that waits for its second try; Airflow needs its task to say how long."""

    def next_retry_datetime(self):
        return self.end_date + self.task.retry_delay


@pytest.mark.parametrize("map_index", [-1, 2])
def test_a_pause_is_told_once_with_the_reason_that_the_task_gave(monkeypatch, map_index):
    told, over, own = [], Event(), []
    task = BaseOperator(task_id="a", retries=2, retry_delay=timedelta(seconds=4))
    task.on_retry_callback = [own.append]
    DAG(dag_id="d", schedule=None).add_task(task)
    ti = Instance(
        task_id="a",
        map_index=map_index,
        run_id="r",
        state="running",
        try_number=1,
        max_tries=2,
        duration=1.0,
        end_date=ENDED,
    )
    polls = iter([False, False, True])
    monkeypatch.setattr(over, "wait", lambda _: next(polls))
    monkeypatch.setattr(trial, "task_instances", lambda _: [ti])
    with trial._reasons(task.dag) as reasons:
        context = {"ti": ti, "exception": ValueError("no memory\nand a long story")}
        for callback in task.on_retry_callback:
            callback(context)
        ti.state = "up_for_retry"
        trial._watch(task.dag, reasons, lambda _: None, told.append, over)
    name = "a" if map_index < 0 else "a[2]"
    assert told == [Pause(name, 1, 3, "no memory", 4.0)]
    assert own == [context]
    assert list(task.on_retry_callback) == [own.append]


def test_an_error_without_words_has_its_type():
    task = BaseOperator(task_id="a")
    DAG(dag_id="d", schedule=None).add_task(task)
    with trial._reasons(task.dag) as reasons:
        task.on_retry_callback[-1](
            {"ti": SimpleNamespace(task_id="a", map_index=-1), "exception": KeyError()}
        )
    assert reasons == {"a": "KeyError"}
