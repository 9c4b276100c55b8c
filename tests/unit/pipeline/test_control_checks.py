from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import (
    Approval,
    AwsCall,
    Choice,
    Fail,
    Item,
    LambdaCall,
    Map,
    Parameter,
    Pipeline,
    PipelineError,
    RemoteJob,
    Retry,
    Run,
)

YES = Parameter("x", 1) > 0


def call(name="inner", **options):
    return AwsCall(name, "sns", "publish", {"Message": "m"}, **options)


def problems(*steps):
    with pytest.raises(PipelineError) as caught:
        Pipeline("p", steps, root="s3://lake")
    return caught.value.problems


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (AwsCall("a", "SNS", "publish"), "service: 'SNS' is no client of boto3"),
        (AwsCall("a", "sns", "PutItem"), "action: 'PutItem' is no method of boto3"),
        (AwsCall("a", "sns", "publish", "text"), "request: 'text' is no mapping of parameters"),
        (AwsCall("a", "", "publish"), "service: missing; give AwsCall(service=...)"),
        (LambdaCall("a", "f", ["x"]), "payload: ['x'] is no mapping"),
        (LambdaCall("a", "f", overrides={"x": 1}), "overrides: a LambdaCall has no request"),
        (LambdaCall("a", ""), "function: missing"),
        (Fail("a", ""), "message: missing"),
        (Fail("a", "m", retry=Retry(5)), "retry: a Fail has none"),
        (Fail("a", "m", fallback=call()), "fallback: a Fail has none"),
        (Map("a", [1], [call()], overrides={"x": 1}), "overrides: a Map has none"),
        (Map("a", [], [call()]), "items: missing"),
        (Map("a", [1]), "body: missing"),
        (Map("a", "text", [call()]), "items: 'text' is neither a list nor a parameter"),
        (Map("a", [1, Run.KEY], [call()]), "items: item 1 is <Run.KEY: 'key'>, which is no JSON"),
        (Map("a", [{1: 2}], [call()]), "items: item 0 is {1: 2}, which is no JSON"),
        (Map("a", [float("nan")], [call()]), "items: item 0 is nan, which is no JSON"),
        (Map("a", [1], [call()], concurrency=-1), "concurrency: -1 must be 0 (no limit) or more"),
        (Map("a", Parameter("n", 3), [call()]), "items: the default of 'n' is 3; give it a list"),
        (Approval("a", call("b")), "is no RegisterModel step; give the one that is waited for"),
        (Approval("a", None), "model: missing"),
        (Approval("a", None, poll_seconds=0), "poll_seconds: 0 must be above 0"),
        (call("a", cache="P7D"), "cache: a AwsCall is no job"),
        (RemoteJob("a", kind="k", request={"x": 1}, cache="week"), "'week' is no ISO 8601"),
        (RemoteJob("a", kind="k", request={"x": 1}, cache="P"), "'P' is no ISO 8601 duration"),
        (call("a", retry=Retry(errors=("net",))), "retry: errors has 'net'; allowed are"),
        (call("a", retry=Retry(max_delay_seconds=0)), "needs max_delay_seconds >= 1"),
        (
            call("a", retry=[Retry(), Retry(errors=("job",))]),
            "is never used: the entries before it take all of its errors",
        ),
    ],
)
def test_each_problem_is_named(step, problem):
    assert any(problem in one for one in problems(step)), problems(step)


def test_good_steps():
    steps = [
        call("a", retry=[Retry(1, errors=("job",)), Retry(5)], after=call("b")),
        call("b", creates=True),
        RemoteJob("job", kind="k", request={"x": 1}, cache="P1DT12H"),
        Map("m", [{"a": [None, True, 0.5]}], [call("c")], concurrency=2),
        Map("n", Parameter("things", []), [AwsCall("d", "sns", "publish", {"x": Item("n")})]),
        Choice("gate", YES, otherwise=[Fail("end", "no")]),
    ]
    pipeline = Pipeline("p", steps, root="s3://lake")
    assert pipeline.needs["a"] == {"b"}
    assert [step.name for step in pipeline.all_steps()] == ["a", "b", "job", *"mcnd", "gate", "end"]


def test_a_list_is_for_maps_alone():
    things = Parameter("things", ["a"])
    step = AwsCall("a", "sns", "publish", {"Message": things})
    assert problems(step) == (
        "step 'a': parameter 'things' is a list, which only a Map may take, as its items",
    )
    odd = Map("m", Parameter("things", [{1, 2}]), [call()])
    assert "parameter 'things': the default [{1, 2}] is no JSON" in problems(odd)


def test_items_know_their_map():
    given = Map("m", [{"a": 1}, {"b": 2}], [])
    assert given.item("a", "b") == Item("m", ("a", "b"))
