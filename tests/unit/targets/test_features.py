from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from airflow_ml_provider.pipeline.conditions import Comparison
from airflow_ml_provider.pipeline.step import Retry
from airflow_ml_provider.pipeline.values import (
    Dataset,
    Metric,
    Parameter,
    ResourceName,
    Run,
    Token,
)
from airflow_ml_provider.plan.nodes import (
    Approval,
    Call,
    Choice,
    Extract,
    Fail,
    Invoke,
    Job,
    Map,
    Plan,
)
from airflow_ml_provider.targets.features import uses

JOB = Job(name="job", kind="glue", request={}, timeout_seconds=1, retry=())
CALL = Call(name="call", service="sns", action="publish", request={}, retry=())
INVOKE = Invoke(name="invoke", function="f", payload={}, timeout_seconds=1, retry=())
EXTRACT = Extract(
    name="extract",
    conn_id="w",
    query="select 1",
    table=None,
    parameters={},
    columns={},
    output="s3://lake/x",
    on_empty="fail",
    timeout_seconds=1,
    retry=(),
)
FAIL = Fail(name="fail", message="no")
CHOICE = Choice(name="choice", when=Comparison(Parameter("a", 1), ">", 0), then=(), otherwise=())
MAP = Map(name="map", items=(1, 2), body=(JOB,))
APPROVAL = Approval(name="approval", model="m", queue_url=None, timeout_seconds=1, poll_seconds=1)


def features(*nodes, **plan):
    given = {"keyed_by": "interval", "parameters": (), **plan}
    found = uses(Plan(name="p", root="s3://lake", folder=Path(), nodes=nodes, **given))
    assert all((one.node is None) == (not one.step) for one in found)
    assert all(one.node is None or one.node.name == one.step for one in found)
    return [(one.step, one.feature) for one in found]


@pytest.mark.parametrize(
    ("node", "feature"),
    [
        (JOB, "glue job"),
        (CALL, "AWS call"),
        (INVOKE, "Lambda function"),
        (EXTRACT, "extract"),
        (FAIL, "fail"),
        (CHOICE, "choice"),
        (APPROVAL, "approval"),
    ],
)
def test_every_node_is_a_feature(node, feature):
    assert features(node) == [(node.name, feature)]


def test_a_worker_job_is_asked_for_by_no_step():
    made = replace(JOB, kind="sagemaker_processing", work=EXTRACT)
    assert features(made) == []


def test_a_glue_job_of_an_extract_is_asked_for():
    assert features(replace(JOB, work=EXTRACT)) == [("job", "glue job")]


def test_what_the_whole_plan_uses():
    job = replace(JOB, request={"key": Run.KEY, "id": Run.ID})
    found = features(job, keyed_by="execution", parameters=(Parameter("a", 1),))
    assert found[:2] == [("", "run parameters"), ("", "run key by execution")]
    assert ("", "data interval") in features(replace(JOB, request={"day": Run.DATE}))


def test_retries():
    service, job = Retry(backoff=1, errors=("service",)), Retry(jitter=True, errors=("job",))
    assert features(replace(CALL, retry=(Retry(attempts=0),))) == [("call", "AWS call")]
    found = [feature for _, feature in features(replace(JOB, retry=(service, job)))]
    assert found == [
        "glue job",
        "retry",
        "retry of failed jobs",
        "several retries",
        "retry backoff",
        "retry jitter",
    ]
    found = [feature for _, feature in features(replace(EXTRACT, retry=(service,)))]
    assert found == ["extract", "retry"]


def test_values_in_requests():
    values = [Metric("m", ("a",)), Dataset("d"), Token(), ResourceName("r")]
    expected = ["metric in a request", "shared dataset", "client token", "name of a resource"]
    for node in (
        replace(JOB, request={"x": values}),
        replace(INVOKE, payload={"x": values}),
        replace(EXTRACT, parameters={"x": values}),
        replace(EXTRACT, checks=({"check": "row_count", "minimum": values},)),
    ):
        assert [feature for _, feature in features(node)][1:] == expected
    found = features(replace(INVOKE, function=Metric("m", ("a",))))
    assert found[1:] == [("invoke", "metric in a request")]


def test_cache_fallback_and_metric_in_a_condition():
    caught = replace(JOB, cache="P1D", fallback=(CALL,))
    choice = replace(CHOICE, when=Comparison(Metric("m", ("a",)), ">", 0), then=(FAIL,))
    assert features(caught, choice) == [
        ("job", "glue job"),
        ("job", "cache"),
        ("job", "fallback"),
        ("call", "AWS call"),
        ("choice", "choice"),
        ("choice", "metric in a condition"),
        ("fail", "fail"),
    ]


def test_what_follows_a_choice_or_a_fallback_rejoins():
    after = replace(CALL, after=("choice",))
    other = replace(INVOKE, after=("job",))
    found = features(CHOICE, after, replace(JOB, fallback=(FAIL,)), other)
    assert [step for step, feature in found if feature == "rejoin"] == ["call", "invoke"]
    assert "rejoin" not in [feature for _, feature in features(JOB, other)]


def test_maps():
    assert features(MAP) == [("map", "map"), ("job", "glue job")]
    mapped = replace(MAP, items=Parameter("xs", [1]), concurrency=2)
    assert [feature for _, feature in features(mapped)] == [
        "map",
        "map over a parameter",
        "map concurrency",
        "glue job",
    ]
