"""Steps of SageMaker pipelines that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from pipeline_definitions import (
    REPORT,
    Client,
    Json,
    Make,
    at_least,
    condition,
    definition,
    fail,
    get,
    join,
    report_value,
    statuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_failure_stops_only_what_depends_on_it(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    bad = processing("bad", "raise SystemExit('no such table')")
    after = processing("after", DependsOn=["bad"])
    beside = processing("beside", "import time; time.sleep(0.5)")
    last = processing("last", DependsOn=["beside"])
    create(definition(bad, after, beside, last))
    arn = start()
    execution = ended(arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"].startswith("Step failure")
    found = steps(arn)
    assert statuses(found) == {"bad": "Failed", "beside": "Succeeded", "last": "Succeeded"}
    assert "no such table" in found["bad"]["FailureReason"]


def test_a_step_for_the_failure(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    bad = processing("bad", "raise SystemExit(3)")
    after = processing("after", DependsOn=["bad"])
    instead = processing("instead", DependsOn=[{"Step": "bad", "Trigger": "Failed"}])
    never = processing("never", DependsOn=[{"Step": "instead", "Trigger": "Failed"}])
    create(definition(bad, after, instead, never))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "CompletedWithFailures"
    assert statuses(steps(arn)) == {"bad": "Failed", "instead": "Succeeded"}


def test_an_output_that_is_missing_fails_the_step(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    bucket: str,
    name: str,
) -> None:
    code = f"open('{REPORT}/report.json', 'w').write('{{\"auc\": \"high\"}}')"
    report = processing("report", code, report=f"s3://{bucket}/{name}/report")
    wrong = condition("wrong", [at_least(report_value("report", "auc"), 0.5)], [], [])
    missing = condition("missing", [at_least(report_value("report", "f1"), 0.5)], [], [])
    create(definition(report, wrong, missing))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    found = steps(arn)
    expected = {"report": "Succeeded", "wrong": "Failed", "missing": "Failed"}
    assert statuses(found) == expected
    assert "'f1'" in found["missing"]["FailureReason"]


def test_retry_runs_what_had_not_succeeded(
    *,
    client: Client,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    put: Callable[..., str],
) -> None:
    first = processing("first")
    second = processing("second", "raise SystemExit(1)", DependsOn=["first"])
    create(definition(first, second, processing("third", DependsOn=["second"])))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    before = steps(arn)["first"]
    put("second/job.py", "print()")
    client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=arn)
    execution = ended(arn)
    found = steps(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert "FailureReason" not in execution
    assert found["first"] == before
    assert statuses(found) == dict.fromkeys(("first", "second", "third"), "Succeeded")
    with pytest.raises(ClientError, match="Succeeded"):
        client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=arn)


def test_a_fail_step_ends_the_execution(
    *,
    client: Client,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    waits = processing("waits", "import time; time.sleep(1)")
    end = fail("end", join("the reason is ", get("Parameters.why")), DependsOn=["waits"])
    long = processing("long", "import time; time.sleep(8)")
    create(definition(waits, end, long, processing("never", "", DependsOn=["long"]), why=str))
    arn = start(why="known")
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    found = steps(arn)
    assert statuses(found) == {"waits": "Succeeded", "end": "Failed", "long": "Succeeded"}
    assert found["end"]["FailureReason"] == "the reason is known"
    with pytest.raises(ClientError, match="not retried"):
        client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=arn)


def test_a_refused_call_fails_the_step(
    *,
    training: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    step = training("train")
    step["Arguments"]["ResourceConfig"]["InstanceType"] = "ml.abacus"
    create(definition(step))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    found = steps(arn)["train"]
    assert "CreateTrainingJob" in found["FailureReason"]
    assert "ml.abacus" in found["FailureReason"]
    assert found["AttemptCount"] == 1
