from __future__ import annotations

import pytest

from airflow_ml_provider._compat import DAG, AirflowFailException, BaseOperator
from airflow_ml_provider.operators.choice import ChoiceOperator

AUC = {"task_id": "evaluate", "metric": ["section", "auc", "value"]}
GOOD = {"op": ">=", "left": AUC, "right": {"param": "threshold"}}
BAD = {"op": "<", "left": AUC, "right": 0}


@pytest.fixture
def skipped(monkeypatch):
    going_on = []
    monkeypatch.setattr(
        ChoiceOperator, "skip_all_except", lambda self, ti, ids: going_on.append(ids)
    )
    return going_on


@pytest.fixture
def evaluated(ti):
    ti.xcoms["evaluate", "report"] = {"section": {"auc": {"value": 0.71}}}


def choice(when, then=("register",), otherwise=("tell",), after=("register", "tell")):
    with DAG("gate", schedule=None):
        task = ChoiceOperator(task_id="gate", when=when, then=then, otherwise=otherwise)
        for name in after:
            task >> BaseOperator(task_id=name)
    return task


@pytest.mark.parametrize(
    ("when", "decision"),
    [
        (GOOD, True),
        (BAD, False),
        ({"not": BAD}, True),
        ({"all": [GOOD, BAD]}, False),
        ({"any": [GOOD, BAD]}, True),
        ({"op": ">", "left": 0.71, "right": AUC}, False),
    ],
)
@pytest.mark.usefixtures("evaluated")
def test_decides(context, ti, skipped, when, decision):
    result = choice(when).execute(context)
    assert result["decision"] is decision
    assert ti.xcoms["return_value"] == result
    assert skipped == [["register"] if decision else ["tell"]]


def test_says_every_comparison_with_its_numbers(context, evaluated, skipped):
    result = choice({"any": [GOOD, BAD]}).execute(context)
    assert result["comparisons"] == [
        {**GOOD, "left_value": 0.71, "right_value": 0.7, "holds": True},
        {**BAD, "left_value": 0.71, "right_value": 0.0, "holds": False},
    ]


def test_a_task_behind_the_choice_that_is_in_no_arm_goes_on(context, evaluated, skipped):
    choice(GOOD, after=("register", "tell", "join")).execute(context)
    assert skipped == [["join", "register"]]


def test_with_one_arm_nothing_is_skipped_when_it_goes_on(context, evaluated, skipped):
    choice(GOOD, otherwise=(), after=("register",)).execute(context)
    assert not skipped


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (None, "has no metric"),
        ({"section": {}}, "has no metric 'section' > 'auc'"),
        ({"section": {"auc": {"value": "high"}}}, "no finite number"),
    ],
)
def test_a_metric_that_is_missing_or_no_number_fails(context, ti, skipped, report, said):
    ti.xcoms["evaluate", "report"] = report
    with pytest.raises(AirflowFailException, match=said):
        choice({"any": [{"op": ">", "left": 1, "right": 0}, GOOD]}).execute(context)
    assert not skipped


def test_an_arm_that_does_not_follow_directly_is_named(context, evaluated):
    with pytest.raises(AirflowFailException, match="tell must follow gate directly"):
        choice(GOOD, after=("register",)).execute(context)


def test_all_problems_of_a_condition_are_named_when_it_is_built():
    when = {"all": [{"op": "==", "left": True, "right": 1}, {"nor": []}]}
    with pytest.raises(ValueError, match=r"'==' is none of .*True is neither .*'nor'.*both hold a"):
        choice(when, then=("a",), otherwise=("a",), after=())


def test_airflow_knows_that_it_skips():
    assert ChoiceOperator.inherits_from_skipmixin


def test_a_metric_may_be_that_of_the_same_index(context, ti, skipped):
    asked = []
    ti.map_index = 1
    ti.xcom_pull = lambda **fields: asked.append(fields) or {"auc": 0.5}
    side = {"task_id": "score", "metric": ["auc"], "same_index": True}
    choice({"op": ">", "left": side, "right": 0}, otherwise=(), after=("register",)).execute(
        context
    )
    assert asked == [{"task_ids": "score", "key": "report", "map_indexes": 1}]
