"""What becomes of each feature, and every way out of what can't be done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_ml_provider.pipeline.conditions import AnyOf
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.step import Report, Retry
from airflow_ml_provider.pipeline.values import JobField, Metric, Parameter, Run, Token
from airflow_ml_provider.plan.nodes import (
    Approval,
    Call,
    Choice,
    Extract,
    Fail,
    Invoke,
    Map,
    Resource,
)
from airflow_ml_provider.targets.sagemaker_pipelines import document, findings, target


def call(name="call", service="sagemaker", action="create_model", **more):
    return Call(name=name, service=service, action=action, **{"request": {}, "retry": (), **more})


def invoke(name="ask", function="arn:f", **more):
    return Invoke(name=name, function=function, timeout_seconds=60, retry=(), payload={}, **more)


def extract():
    return Extract(
        name="rows",
        conn_id="db",
        query="select 1",
        table=None,
        parameters={},
        columns={},
        output="s3://bucket/x/",
        on_empty="fail",
        timeout_seconds=60,
        retry=(),
    )


def approval(queue_url="https://queue"):
    return Approval(
        name="ask",
        after=("call",),
        model="call",
        queue_url=queue_url,
        timeout_seconds=1,
        poll_seconds=1,
    )


def found(made, feature):
    one = next(one for one in findings(made) if one.feature == feature)
    return one.verdict, one.how


def group(**request):
    return Resource(
        describe="describe_model_package_group",
        key={},
        create="create_model_package_group",
        request=request,
    )


KEPT = ("kept", "")


@pytest.mark.parametrize(
    ("retry", "feature", "verdict"),
    [
        (Retry(errors=("service",)), "retry", "kept"),
        (Retry(), "retry", "lowered"),
        (Retry(attempts=21, errors=("service",)), "retry", "lowered"),
        (Retry(interval_seconds=43_201, errors=("service",)), "retry", "lowered"),
        (Retry(), "retry backoff", "kept"),
        (Retry(attempts=5), "retry backoff", "lowered"),
        (Retry(jitter=True), "retry jitter", "lowered"),
        (Retry(errors=("job",)), "retry of failed jobs", "refused"),
        (Retry(errors=("job",)), "retry backoff", "kept"),
    ],
)
def test_retry(job, plan, retry, feature, verdict):
    assert found(plan(job("a", retry=(retry,))), feature)[0] == verdict


def test_several_retries(job, plan):
    retries = (Retry(errors=("service",)), Retry())
    assert found(plan(job("a", retry=retries)), "several retries")[0] == "lowered"


def test_retry_of_a_step_without_policies(plan):
    ask = Invoke(name="ask", function="arn:f", payload={}, timeout_seconds=60, retry=(Retry(),))
    assert found(plan(ask), "retry")[0] == "lowered"
    assert "RetryPolicies" not in document(plan(ask))["Steps"][0]


def test_jobs(job, plan):
    assert found(plan(job("a")), "sagemaker_processing job") == KEPT
    with pytest.raises(PipelineError, match=r"glue job: not on sagemaker: .*\bEmrServerless"):
        document(plan(job("a", kind="glue")))


def test_extract(plan):
    with pytest.raises(PipelineError, match=r"extract: not on sagemaker: .* Processing"):
        document(plan(extract()))


def test_calls(plan):
    assert found(plan(call()), "AWS call") == KEPT
    registered = call(action="create_model_package", resource=group())
    assert found(plan(registered), "AWS call") == KEPT
    tagged = call(action="create_model_package", resource=group(Tags=[{}]))
    assert found(plan(tagged), "AWS call")[0] == "lowered"
    with pytest.raises(PipelineError, match=r"AWS call: not on sagemaker: .* LambdaCall"):
        document(plan(call(service="sns", action="publish")))


def test_functions(job, plan):
    assert found(plan(invoke()), "Lambda function") == KEPT
    assert found(plan(invoke()), "timeout")[0] == "lowered"
    assert found(plan(invoke(function=Parameter("f", "arn:f"))), "Lambda function") == KEPT
    with pytest.raises(PipelineError, match=r"'ask-me' is a name; give the function's ARN"):
        document(plan(invoke(function="ask-me")))
    reader = job("b", "ask", request={"X": JobField("ask", ("a",)), "Y": JobField("a", ("b", "c"))})
    made = plan(job("a"), invoke(), reader)
    assert document(made)["Steps"][1]["OutputParameters"] == [
        {"OutputName": "a", "OutputType": "String"}
    ]
    deep = job("b", "ask", request={"X": JobField("ask", ("a", "b"))})
    with pytest.raises(PipelineError, match=r"no 'a.b'; answer flat fields"):
        document(plan(invoke(), deep))
    nested = replace(invoke(), payload={"a": 1, "c": [2], "b": {"d": 3}})
    with pytest.raises(PipelineError, match="no depth there, so no b, c; give flat fields"):
        document(plan(nested))


def test_approval(plan):
    assert found(plan(call(), approval()), "approval")[0] == "lowered"
    with pytest.raises(PipelineError, match=r"give Approval\(queue_url=\.\.\.\)"):
        document(plan(call(), approval(None)))


def test_maps(job, plan):
    made = plan(Map(name="m", items=(1, 2), body=(job("a"),), concurrency=1))
    assert found(made, "map") == (
        "lowered",
        "unrolled: its steps are there 2 times, as <step>-<index>",
    )
    assert found(made, "map concurrency")[0] == "lowered"
    over = Map(name="m", items=Parameter("p", [1]), body=(job("a"),))
    with pytest.raises(PipelineError, match=r"map over a parameter: .* give a literal list"):
        document(plan(over))


@pytest.mark.parametrize("source", ["unknown", "train", "silent", "call"])
def test_metrics_of_what_leaves_no_report(job, plan, source):
    report = Report("o", "r.json")
    nodes = (
        job("train", kind="sagemaker_training", report=report),
        job("silent"),
        call(),
    )
    gate = Choice(name="g", when=Metric(source, ("x",)) > 1, then=(job("b"),), otherwise=())
    with pytest.raises(PipelineError, match=r"metric in a condition: not on sagemaker: .*\bReport"):
        document(plan(*nodes, gate))
    request = {"X": Metric(source, ("x",))}
    with pytest.raises(PipelineError, match="metric in a request: not on sagemaker"):
        document(plan(*nodes, job("c", request=request)))
    stop = Fail(name="stop", message=Metric(source, ("x",)))
    with pytest.raises(PipelineError, match="metric in a message: not on sagemaker"):
        document(plan(*nodes, stop))


def test_reports(job, plan):
    report = Report("o", "r.json")
    gate = Choice(name="g", when=Metric("a", ("x",)) > 1, then=(job("b"),), otherwise=())
    made = plan(job("a", report=report), job("unread", report=report), gate)
    assert found(made, "metric in a condition") == KEPT
    steps = document(made)["Steps"]
    assert steps[0]["PropertyFiles"] == [
        {"PropertyFileName": "Report", "OutputName": "o", "FilePath": "r.json"}
    ]
    assert "PropertyFiles" not in steps[1]


def test_cache(job, plan):
    made = plan(job("a", cache="P7D"))
    assert found(made, "cache") == KEPT
    assert document(made)["Steps"][0]["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P7D"}
    never = found(plan(job("a", cache="P7D"), keyed_by="execution"), "cache")
    assert never[0] == "lowered"


def test_the_rest(job, plan):
    stop = Fail(name="stop", message="no")
    made = plan(
        job("a", fallback=(stop,), request={"T": Token(), "D": Run.DATE}), keyed_by="execution"
    )
    for feature in ("fallback", "fail", "client token", "data interval"):
        assert found(made, feature)[0] == "lowered"
    assert found(made, "run key by execution") == KEPT


def test_parameters(job, plan):
    own = tuple(
        Parameter(name, value) for name, value in zip("abcd", ("x", 1, 0.5, True), strict=True)
    )
    made = document(plan(job("a", request={"D": Run.DATE, "K": Run.KEY}), parameters=own))
    assert made["Parameters"] == [
        {"Name": "run_key", "Type": "String"},
        {"Name": "run_date", "Type": "String"},
        {"Name": "a", "Type": "String", "DefaultValue": "x"},
        {"Name": "b", "Type": "Integer", "DefaultValue": 1},
        {"Name": "c", "Type": "Float", "DefaultValue": 0.5},
        {"Name": "d", "Type": "Boolean", "DefaultValue": True},
    ]
    many = tuple(Parameter(f"p{n}", 1) for n in range(201))
    with pytest.raises(PipelineError, match="201; an execution takes at most 200"):
        document(plan(job("a"), parameters=many))
    with pytest.raises(PipelineError, match="run_key tells of the run itself"):
        document(plan(job("a"), parameters=(Parameter("run_key", "x"),)))


def test_limits(job, plan, monkeypatch):
    made = plan(*(job(f"a{n}") for n in range(51)))
    assert found(made, "number of steps")[0] == "lowered"
    monkeypatch.setattr(target, "MAX_CHARACTERS", 10)
    with pytest.raises(PipelineError, match=r"size of the definition: .* of at most 10;"):
        document(made)


def test_a_choice_in_an_arm_is_told(plan):
    inner = Choice(name="inner", when=Parameter("x", 1) > 0, then=(), otherwise=())
    outer = Choice(name="outer", when=Parameter("x", 1) > 0, then=(inner,), otherwise=())
    told = [one for one in findings(plan(outer)) if one.feature == "nested choice"]
    assert [(one.step, one.verdict) for one in told] == [("inner", "lowered")]


def test_a_condition_of_too_many_parts(job, plan):
    auc, made = Metric("a", ("auc",)), []
    for number in (7, 8):
        pairs = [(auc > 0.1 * one) & (auc < 0.2 * one) for one in range(number)]
        gate = Choice(name="gate", after=("a",), when=AnyOf(tuple(pairs)), then=(), otherwise=())
        made.append(found(plan(job("a"), gate), "choice"))
    assert made[0][0] == "kept"
    assert made[1][0] == "refused"
    assert "an And of 256 Ors" in made[1][1]


def test_all_problems_at_once(job, plan):
    made = plan(job("a", kind="glue"), call(service="sns", action="publish"), extract())
    with pytest.raises(PipelineError) as raised:
        document(made)
    assert [problem.split(":")[0] for problem in raised.value.problems] == [
        "step 'a'",
        "step 'call'",
        "step 'rows'",
    ]
