from __future__ import annotations

import pytest

from airflow_ml_provider import _compat
from airflow_ml_provider._compat import DAG, AirflowException, AirflowFailException, BaseOperator
from airflow_ml_provider.operators import fallback
from airflow_ml_provider.operators.fail import FailOperator
from airflow_ml_provider.operators.fallback import FallbackOperator
from airflow_ml_provider.operators.join import JoinOperator
from airflow_ml_provider.operators.map_items import MapItemsOperator


def guard():
    with DAG("guarded", schedule=None):
        task = FallbackOperator(task_id="job.fallback", of="job", fallback=["f"])
        for name in ("f", "tail"):
            task >> BaseOperator(task_id=name)
    return task


@pytest.fixture
def skipped(monkeypatch):
    going_on = []
    monkeypatch.setattr(
        FallbackOperator, "skip_all_except", lambda self, ti, ids: going_on.append(ids)
    )
    return going_on


@pytest.mark.parametrize(("state", "expected"), [("failed", []), ("success", [["tail"]])])
def test_a_fallback_runs_if_the_task_failed(context, monkeypatch, skipped, state, expected):
    monkeypatch.setattr(fallback, "state_of", lambda given, task_id: state)
    assert guard().execute(context) == state
    assert skipped == expected


@pytest.mark.parametrize("state", ["upstream_failed", ""])
def test_a_fallback_is_for_its_own_task(context, monkeypatch, skipped, state):
    monkeypatch.setattr(fallback, "state_of", lambda given, task_id: state)
    with pytest.raises(AirflowFailException, match="what it waits for did not end well"):
        guard().execute(context)


def test_a_fallback_follows_a_task_however_it_ended():
    assert guard().trigger_rule == "none_skipped"


@pytest.mark.skipif(not _compat._HAS_SDK, reason="2.11 skips by itself")
def test_mapped_tasks_are_skipped_by_their_index(context, ti, monkeypatch, skipped):
    monkeypatch.setattr(fallback, "state_of", lambda given, task_id: "success")
    ti.map_index = 2
    with pytest.raises(AirflowException) as caught:
        guard().execute(context)
    assert type(caught.value).__name__ == "DownstreamTasksSkipped"
    assert caught.value.tasks == [("f", 2)]


def test_items_are_given(context):
    assert MapItemsOperator(task_id="m", items=[1, {"a": 2}]).execute(context) == [1, {"a": 2}]
    context["params"]["things"] = ("a", "b")
    assert MapItemsOperator(task_id="m", param="things").execute(context) == ["a", "b"]
    context["params"]["things"] = "ab"
    with pytest.raises(
        AirflowFailException, match=r"params.things is 'ab'; a map runs over a list"
    ):
        MapItemsOperator(task_id="m", param="things").execute(context)
    with pytest.raises(ValueError, match="give either items= or param="):
        MapItemsOperator(task_id="m")


def test_fail_fails_and_join_does_nothing(context):
    with pytest.raises(AirflowFailException, match="enough"):
        FailOperator(task_id="end", message="enough").execute(context)
    assert JoinOperator(task_id="join").execute(context) is None
