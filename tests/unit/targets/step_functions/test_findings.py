from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import Parameter, PipelineError, Retry, Run
from airflow_ml_provider.plan.nodes import Approval, Extract, Map
from airflow_ml_provider.targets.features import uses
from airflow_ml_provider.targets.finding import KEPT, LOWERED, REFUSED
from airflow_ml_provider.targets.step_functions import document, findings


@pytest.fixture
def verdicts(plan_of):
    """Give the findings of nodes that are not simply kept."""

    def verdicts(*nodes, **options):
        plan = plan_of(*nodes, **options)
        found = findings(plan)
        assert [(one.step, one.feature) for one in found if one.feature != "order"] == [
            (use.step, use.feature) for use in uses(plan)
        ]
        return {(one.step, one.feature): (one.verdict, one.how) for one in found if one.how}

    return verdicts


def test_most_is_kept(verdicts, send, job):
    assert verdicts(send("a", "q"), job("b", ("a",), retry=(Retry(2),))) == {}


def test_capacity_and_failure_of_a_job_are_one_error(verdicts, job):
    by_class = (Retry(2, errors=("service",)), Retry(1, errors=("job",)))
    ((verdict, how),) = verdicts(job("a", retry=by_class)).values()
    assert verdict == LOWERED
    assert "States.TaskFailed" in how
    assert verdicts(job("a", retry=(Retry(0, errors=("service",)),))) == {}
    assert verdicts(job("a", retry=(Retry(1, errors=("service", "job")),))) == {}


def test_the_interval_is_given(verdicts, send):
    found = verdicts(send("a", "q", body=Run.DATE))
    assert found["", "data interval"][0] == LOWERED


def test_no_cache(verdicts, job):
    assert verdicts(job("a", cache="P7D"))["a", "cache"][0] == LOWERED


def test_unknown_kinds_are_refused(verdicts, job):
    verdict, how = verdicts(job("a", kind="batch"))["a", "batch job"]
    assert verdict == REFUSED
    assert "emr_serverless, glue, sagemaker_processing" in how


def test_an_extract_must_have_become_a_job(verdicts):
    node = Extract(
        name="rows",
        retry=(),
        conn_id="db",
        query="select 1",
        table=None,
        parameters={},
        columns={},
        output="s3://bucket/rows/",
        on_empty="fail",
        timeout_seconds=60,
    )
    assert verdicts(node)["rows", "extract"][0] == REFUSED


@pytest.mark.parametrize(
    ("items", "verdict"),
    [(("a",), KEPT), (tuple(range(41)), LOWERED), (("x" * 200_001,), REFUSED)],
)
def test_maps(verdicts, send, items, verdict):
    found = verdicts(Map(name="m", items=items, body=(send("a", "q"),)))
    assert found.get(("m", "map"), (KEPT, ""))[0] == verdict


def test_a_map_over_a_parameter(verdicts, send):
    found = verdicts(Map(name="m", items=Parameter("days", []), body=(send("a", "q"),)))
    assert list(found) == [("m", "map over a parameter")]


def test_orders_that_are_invented(verdicts, send):
    n = (send("a", "q"), send("b", "q"), send("c", "q", ("a", "b")), send("d", "q", ("b",)))
    verdict, how = verdicts(*n)["d", "order"]
    assert verdict == LOWERED
    assert how.startswith("it also waits for a, and does not start")
    inner = verdicts(Map(name="m", items=("a",), body=n))
    assert ("d", "order") in inner


def test_an_approval_needs_a_queue(plan_of, send):
    ask = Approval(
        name="ask",
        after=("register",),
        model="register",
        queue_url=None,
        timeout_seconds=60,
        poll_seconds=1,
    )
    with pytest.raises(
        PipelineError, match=r"step 'ask': approval: not on step-functions: .*queue"
    ):
        document(plan_of(send("register", "q"), ask))
