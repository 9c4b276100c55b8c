from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_ml_provider.pipeline import Parameter, PipelineError, Retry
from airflow_ml_provider.pipeline.conditions import Condition
from airflow_ml_provider.plan.nodes import Fail, Map
from airflow_ml_provider.targets.step_functions import document, machine
from airflow_ml_provider.targets.step_functions.conditions import rule

YEAR = 31_536_000


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_machine_is_sound(data, blocks, plan_of, checked):
    plan = plan_of(*data.draw(blocks))
    machine = document(plan)
    checked(machine)
    assert json.dumps(document(plan)) == json.dumps(machine)


def test_the_whole(plan_of, job):
    machine = document(plan_of(job("a"), name="flights"))
    assert list(machine) == ["Comment", "StartAt", "States", "TimeoutSeconds"]
    assert machine["Comment"] == "Pipeline flights"
    assert machine["StartAt"] == "Input"
    assert list(machine["States"])[-2:] == ["a", "Done"]


def test_what_can_not_be_reached_is_left_out(plan_of, send):
    machine = document(plan_of(Fail(name="stop", message="no"), send("a", "q", ("stop",))))
    assert "a" not in machine["States"]
    assert "Done" not in machine["States"]


@pytest.mark.parametrize("tries", [1, 3])
def test_the_longest_time(plan_of, job, tries):
    retry = (Retry(tries - 1, max_delay_seconds=100),)
    machine = document(plan_of(job("a", timeout_seconds=3600, retry=retry)))
    assert machine["TimeoutSeconds"] == 300 + tries * (3600 + 1800 + 300) + (tries - 1) * 100


def test_no_machine_runs_longer_than_a_year(plan_of, job, send):
    week = job("a", timeout_seconds=7 * 86_400)
    three = document(plan_of(Map(name="m", items=(1, 2, 3), body=(week,))))["TimeoutSeconds"]
    assert three > 3 * 7 * 86_400
    many = Map(name="m", items=tuple(range(100)), body=(week,))
    assert document(plan_of(many))["TimeoutSeconds"] == YEAR
    days = Parameter("days", [])
    open_ended = plan_of(Map(name="m", items=days, body=(send("b", "q"),)), parameters=(days,))
    assert document(open_ended)["TimeoutSeconds"] == YEAR


def test_a_condition_of_another_class():
    with pytest.raises(TypeError, match="is no condition"):
        rule(Condition(), None)


def test_a_plan_that_is_refused(plan_of, job):
    with pytest.raises(PipelineError, match="step 'a': batch job: not on step-functions"):
        document(plan_of(job("a", kind="batch")))


def test_a_definition_that_is_too_big(plan_of, job, monkeypatch):
    monkeypatch.setattr(machine, "MAX_BYTES", 10)
    with pytest.raises(PipelineError, match=r"size of the definition: .* of at most 10;"):
        document(plan_of(job("a")))


def test_two_hundred_steps_take_no_second(plan_of, job):
    steps = [
        job(f"s{one}", tuple({f"s{one - 1}", f"s{one - 7}"} if one > 6 else ()), report=True)
        for one in range(200)
    ]
    began = time.thread_time()
    document(plan_of(*steps))
    assert time.thread_time() - began < 1
