from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import JobField, Metric, Parameter, Retry
from airflow_ml_provider.pipeline.conditions import Comparison
from airflow_ml_provider.pipeline.values import Item, Text
from airflow_ml_provider.plan.nodes import Choice, Extract, Fail, Map
from airflow_ml_provider.targets.step_functions.facts import Facts
from airflow_ml_provider.targets.step_functions.names import StateNames
from airflow_ml_provider.targets.step_functions.states import States
from airflow_ml_provider.targets.step_functions.structure import block


def gate(name, then=(), otherwise=(), after=()):
    when = Comparison(">", Parameter("x", 1), 0)
    return Choice(name=name, after=after, when=when, then=then, otherwise=otherwise)


def test_a_series(states_of, send):
    states = states_of(send("a", "q"), send("b", "q", ("a",)))
    assert states["Run"]["Next"] == "a"
    assert states["a"]["Next"] == "b"
    assert states["b"]["Next"] == "Done"
    assert "Catch" not in states["a"]


def test_both_arms_lead_to_what_follows(states_of, send):
    states = states_of(gate("g", (send("a", "q"),)), send("z", "q", ("g",)))
    assert states["g"]["Choices"] == [
        {"Variable": "$.parameters.x", "NumericGreaterThan": 0, "Next": "a"}
    ]
    assert states["g"]["Default"] == states["a"]["Next"] == "z"


def test_arms_may_hold_parallels(states_of, send):
    states = states_of(gate("g", (send("a", "q"), send("b", "q"))), send("z", "q", ("g",)))
    assert states["g"]["Choices"][0]["Next"] == "a, b in parallel"
    assert states["a, b in parallel: joined"]["Next"] == "z"


def test_a_branch_turns_its_failure_into_a_value(states_of, send):
    states = states_of(send("a", "q"), send("b", "q"))
    assert states["a"]["Catch"] == [
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Branch of a: failed"}
    ]
    assert states["Branch of a: failed"]["Parameters"] == {"failure.$": "$.failure"}
    both = states["a, b in parallel"]
    assert both["ResultSelector"] == {"failures.$": "$[*].failure"}
    asked = states[both["Next"]]
    assert asked["Choices"][0] == {
        "Variable": "$.joined.failures[0]",
        "IsPresent": True,
        "Next": "a, b in parallel: first failure",
    }
    assert states["a, b in parallel: first failure"]["Next"] == "Failed"
    assert states["Failed"]["CausePath"] == "$.failure.Cause"


def test_only_what_is_needed_later_passes_a_join(states_of, job):
    def takes(name, after, *steps):
        paths = {f"S{one}": JobField(step, ("A",)) for one, step in enumerate(steps)}
        return job(name, after, request={"Environment": paths})

    states = states_of(
        job("first"),
        takes("a", ("first",), "first"),
        job("b", ("first",)),
        takes("z", ("a", "b"), "b", "first"),
    )
    joined = states["a, b in parallel: joined"]["Parameters"]
    assert joined == {
        "run.$": "$.run",
        "parameters.$": "$.parameters",
        "steps": {"b.$": "$.joined.b1.steps.b", "first.$": "$.steps.first"},
    }
    assert states["a, b in parallel"]["ResultSelector"] == {
        "failures.$": "$[*].failure",
        "b1.$": "$[1]",
    }
    assert states["Branch of b: done"]["Parameters"] == {"steps": {"b.$": "$.steps.b"}}
    assert states["Branch of a: done"]["Parameters"] == {"steps": {}}
    assert states["a"]["ResultPath"] is None


def test_a_fallback_leads_on(states_of, send, job):
    states = states_of(
        job("a", fallback=(send("f", "q"),)), send("b", "q", ("a",)), send("c", "q", ("b",))
    )
    assert states["a"]["Catch"][0]["Next"] == "f"
    assert states["a"]["Next"] == states["f"]["Next"] == "b"


def test_a_map(states_of, send):
    inner = send("inner", "q", body=Text.of(Item("m", ("code",))))
    items = ({"code": "JFK"}, {"code": "EWR"})
    states = states_of(Map(name="m", items=items, body=(inner,), concurrency=2))
    assert states["m: items"]["Result"] == list(items)
    found = states["m"]
    assert found["ItemsPath"] == states["m: items"]["ResultPath"] == "$.joined"
    assert found["ItemSelector"] == {
        "run.$": "$.run",
        "parameters.$": "$.parameters",
        "steps.$": "$.steps",
        "item.$": "$$.Map.Item.Value",
        "index.$": "$$.Map.Item.Index",
    }
    assert found["MaxConcurrency"] == 2
    assert found["ItemProcessor"]["ProcessorConfig"] == {"Mode": "INLINE"}
    assert states["inner"]["Catch"][0]["Next"] == "Item of m: failed"
    assert states["m: first failure"]["InputPath"] == "$.joined.failures[0]"


def test_many_items_run_as_executions_of_their_own(states_of, send):
    states = states_of(Map(name="m", items=tuple(range(41)), body=(send("inner", "q"),)))
    config = states["m"]["ItemProcessor"]["ProcessorConfig"]
    assert config == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def test_a_map_over_a_parameter(states_of, send):
    node = Map(name="m", items=Parameter("days", [1]), body=(send("inner", "q"),))
    states = states_of(node, parameters=(Parameter("days", [1]),))
    assert states["m"]["ItemsPath"] == "$.parameters.days"
    assert states["Run"]["Next"] == "m"
    assert "MaxConcurrency" not in states["m"]


def test_a_join_in_a_map_keeps_the_item(states_of, send):
    body = (send("a", "q"), send("b", "q"))
    states = states_of(Map(name="m", items=(1,), body=body))
    assert {"item.$", "index.$"} < set(states["a, b in parallel: joined"]["Parameters"])


def test_fail(states_of):
    states = states_of(Fail(name="stop", message="it's over"))
    assert states["stop"] == {"Type": "Fail", "Error": "PipelineFailed", "Cause": "it's over"}


def test_fail_with_values_and_in_a_branch(states_of, send):
    message = Text("x is {x}", x=Parameter("x", 1))
    states = states_of(Fail(name="stop", message=message), send("a", "q"))
    assert states["stop"]["Parameters"] == {
        "Error": "PipelineFailed",
        "Cause.$": "States.Format('x is {}', $.parameters.x)",
    }
    assert states["stop"]["Next"] == "Branch of stop: failed"


def test_fail_with_a_metric(states_of, job):
    message = Text("f1 is {f1}", f1=Metric("evaluate", ("f1-score",)))
    stop = Fail(name="stop", after=("evaluate",), message=message)
    states = states_of(job("evaluate", report=True), stop)
    assert states["stop: numbers there"]["Default"] == "stop: values"
    assert states["stop: values"]["Next"] == "stop"
    assert states["stop"]["Parameters"]["Cause.$"] == "States.Format('f1 is {}', $.values.v0)"


def test_a_step_that_has_no_state(plan_of):
    node = Extract(
        name="rows",
        retry=(Retry(),),
        conn_id="db",
        query="select 1",
        table=None,
        parameters={},
        columns={},
        output="s3://bucket/rows/",
        on_empty="fail",
        timeout_seconds=60,
    )
    facts = Facts.of(plan_of(node))
    with pytest.raises(TypeError, match="step 'rows': a Extract has no state of its own"):
        block((node,), "end", set(), States(StateNames(())), facts)


def test_a_missing_metric_fails_before_it_is_compared(states_of, job):
    auc = Metric("evaluate", ("auc",))
    node = Choice(
        name="g",
        after=("evaluate",),
        when=Comparison(">=", auc, Parameter("least", 0.6)),
        then=(Fail(name="stop", message="no"),),
        otherwise=(),
    )
    states = states_of(job("evaluate", report=True), node)
    path = "$.steps.evaluate.report.auc"
    guard = states["g: numbers there"]
    assert guard["Choices"][0] == {
        "Not": {
            "And": [
                {"Variable": path, "IsPresent": True},
                {"Variable": path, "IsNumeric": True},
            ]
        },
        "Next": "g: no auc",
    }
    assert guard["Choices"][1]["Next"] == "g: least no number"
    assert guard["Default"] == "g"
    assert states["g: no auc"]["Error"] == "MetricMissing"
    assert "'auc' of step 'evaluate'" in states["g: no auc"]["Cause"]
    assert states["g: least no number"]["Error"] == "ParameterInvalid"
    read = states["evaluate: read report"]
    assert states["evaluate"]["Next"] == "evaluate: read report"
    assert read["Parameters"] == {
        "Bucket": "bucket",
        "Key.$": "States.Format('ml/p/{}/evaluate/report/evaluation.json', $.run.key)",
    }
    assert states["evaluate: metrics"]["Parameters"] == {
        "auc.$": "$.steps.evaluate.report.report.auc"
    }
