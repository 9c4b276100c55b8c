"""Random pipelines mean the same on Airflow, Step Functions and SageMaker Pipelines."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from itertools import count

import on_aws
import pytest
from behaviour import Trace
from drawn import drawn
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from meaning import Meaning, own_order

from airflow_ml_provider.pipeline import Run
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.targets.compile import compile_pipeline, examined
from airflow_ml_provider.targets.finding import REFUSED
from airflow_ml_provider.targets.step_functions.order import effective_order

START = datetime(2013, 8, 29, tzinfo=timezone.utc)
RUN = {
    Run.KEY: "20130829T000000",
    Run.DATE: "2013-08-29",
    Run.INTERVAL_START: "2013-08-29T00:00:00+00:00",
    Run.INTERVAL_END: "2013-08-30T00:00:00+00:00",
}
NUMBERS = count()
ENOUGH = 100  # a smaller drawing may well have no failure in it
SHARDS = 2  # of which pytest-xdist runs one on each core
LOWERED_ENDS = {"fail", "order"}


def expected(one, **options):
    return Meaning(build(one.pipeline), one.behaviours, RUN, one.parameters, **options).result()


def told(trace):
    return trace.succeeded, Counter(trace.started)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_pipelines(  # noqa: PLR0917
    shard, request, record_property, jobs, client, airflow, script_folder
):
    """Which jobs ran, how often, with which inputs, which branch was taken, how it ended."""
    tally = Counter()
    number = -(-request.config.option.pipelines // SHARDS)

    @seed(request.config.option.draw_seed + shard)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(st.data())
    def equal(data):
        one = data.draw(drawn(script_folder, f"p{next(NUMBERS)}"))
        tally["pipelines"] += 1
        tally.update({type(step).__name__ for step in one.pipeline.all_steps()})
        tally.update(
            {
                field
                for step in one.pipeline.all_steps()
                for field in ("after", "fallback")
                if getattr(step, field)
            }
        )

        def on(target):
            compiled = compile_pipeline(one.pipeline, target)
            jobs.expect(one.behaviours)
            ended = on_aws.run(compiled, client, START, dict(one.parameters))
            return Trace(ended.succeeded, list(jobs.started)), ended.reason

        own = expected(one)
        tally["failed"] += not own.succeeded
        jobs.expect(one.behaviours)
        succeeded = airflow.run(one.pipeline, START, dict(one.parameters))
        assert told(Trace(succeeded, list(jobs.started))) == told(own), "airflow"

        found, reason = on("step-functions")
        assert told(found) == told(expected(one, order=effective_order)), (
            f"step-functions: {reason}"
        )

        findings = examined(one.pipeline, "sagemaker")[1]
        if refused := {finding.feature for finding in findings if finding.verdict == REFUSED}:
            assert refused == {"rejoin"}  # a tail that would be copied too often
            tally["refused by sagemaker"] += 1
            return
        found, reason = on("sagemaker")
        own = expected(one, repeats_jobs=False)
        if not own.succeeded and LOWERED_ENDS & {finding.feature for finding in findings}:
            # A failure may end more than what depends on it; a choice may wait for another one.
            assert not found.succeeded
            assert Counter(found.started) <= Counter(own.started), f"sagemaker: {reason}"
        else:
            assert told(found) == told(own), f"sagemaker: {reason}"

    equal()
    record_property(f"drawn by seed {request.config.option.draw_seed + shard}", dict(tally))
    assert tally["pipelines"] >= number
    if number >= ENOUGH:
        # hypothesis draws in clumps: between an eighth and a half of them failed in many runs.
        assert tally["failed"] > tally["pipelines"] / 50
    assert tally["refused by sagemaker"] < tally["pipelines"] / 4


def test_a_wrong_meaning_is_noticed(script_folder):
    """The comparison itself: another order, another number of tries are differences."""
    assert own_order(()) == {}
    with pytest.raises(AssertionError):
        assert told(Trace(started=[1])) == told(Trace(started=[1, 1]))
