from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from airflow_ml_provider.aws import execution
from airflow_ml_provider.aws.execution import Execution, describe, start, steps, wait
from airflow_ml_provider.pipeline import (
    Account,
    Parameter,
    Pipeline,
    PipelineError,
    Processing,
    Run,
)
from airflow_ml_provider.targets.compile import compile_pipeline

START = datetime(2013, 8, 29, tzinfo=timezone.utc)
DAY = (START, START + timedelta(days=1))
RUN = "arn:aws:states:us-east-1:123456789012:execution:p_q:t"
PIPELINE_RUN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p-q/execution/x"


class Service:
    """Answers each call with what was given for it, and remembers the requests."""

    def __init__(self, **answers):
        self.answers, self.requests = answers, []

    def __getattr__(self, name):
        def call(**request):
            self.requests.append(request)
            answer = self.answers[name]
            return answer.pop(0) if isinstance(answer, list) else answer

        return call

    def get_paginator(self, name):
        def paginate(**request):
            self.requests.append(request)
            return self.answers[name]

        return SimpleNamespace(paginate=paginate)

    def client(self, _):
        return self


@pytest.fixture
def compiled(tmp_path):
    (tmp_path / "job.py").write_text("")

    def _compiled(target):
        arguments = {"day": Run.DATE, "n": Parameter("n", 1)}
        step = Processing("a", script="job.py", image_uri="i", arguments=arguments)
        pipeline = Pipeline("p_q", [step], root="s3://lake", folder=tmp_path)
        return compile_pipeline(pipeline, target, Account(role_arn="arn:aws:iam::1:role/r"))

    return _compiled


def test_an_execution_is_named_by_its_token(compiled):
    aws = Service(start_execution={"executionArn": RUN})
    made = compiled("step-functions")
    assert start(made, "arn", DAY, aws.client, parameters={"n": 2}, token="t") == RUN
    ((request,)) = aws.requests
    assert (request["stateMachineArn"], request["name"]) == ("arn", "t")
    assert json.loads(request["input"]) == {
        "data_interval_start": "2013-08-29T00:00:00+00:00",
        "data_interval_end": "2013-08-30T00:00:00+00:00",
        "parameters": {"n": 2},
    }


def test_a_pipeline_gets_the_token_and_what_it_asks_for(compiled):
    aws = Service(start_pipeline_execution={"PipelineExecutionArn": PIPELINE_RUN})
    arn = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p-q"
    assert start(compiled("sagemaker"), arn, DAY, aws.client, token="t") == PIPELINE_RUN
    ((request,)) = aws.requests
    assert (request["PipelineName"], request["ClientRequestToken"]) == ("p-q", "t")
    values = {one["Name"]: one["Value"] for one in request["PipelineParameters"]}
    assert values == {"run_key": "20130829T000000", "run_date": "2013-08-29"}


def test_unknown_parameters_start_nothing(compiled):
    aws = Service()
    with pytest.raises(PipelineError, match="'x': unknown"):
        start(compiled("step-functions"), "arn", DAY, aws.client, parameters={"x": 2}, token="t")
    assert not aws.requests


@pytest.mark.parametrize(
    ("status", "ended", "succeeded"),
    [
        ("RUNNING", False, False),
        ("PENDING_REDRIVE", False, False),
        ("SUCCEEDED", True, True),
        ("TIMED_OUT", True, False),
        ("Executing", False, False),
        ("Stopping", False, False),
        ("CompletedWithFailures", True, True),
        ("Stopped", True, False),
    ],
)
def test_what_a_status_means(status, ended, succeeded):
    one = Execution("arn", status)
    assert (one.ended, one.succeeded) == (ended, succeeded)


def test_why_it_failed():
    aws = Service(
        describe_execution=[
            {"status": "FAILED", "error": "MetricMissing", "cause": "auc"},
            {"status": "RUNNING"},
            {"status": "FAILED", "cause": json.dumps({"FailureReason": "no memory", "x": 1})},
            {"status": "FAILED", "cause": "[1]"},
        ],
        describe_pipeline_execution=[
            {"PipelineExecutionStatus": "Failed", "FailureReason": "steps failed"},
            {"PipelineExecutionStatus": "Succeeded"},
        ],
        list_pipeline_execution_steps=[
            {"PipelineExecutionSteps": [{"StepName": "a", "StepStatus": "Succeeded"}]},
            {"PipelineExecutionSteps": [{"StepName": "b", "FailureReason": "no memory"}]},
        ],
    )
    assert describe(RUN, aws.client) == Execution(RUN, "FAILED", "MetricMissing: auc")
    assert describe(RUN, aws.client) == Execution(RUN, "RUNNING")
    assert describe(RUN, aws.client) == Execution(RUN, "FAILED", "no memory")
    assert describe(RUN, aws.client) == Execution(RUN, "FAILED", "[1]")
    said = "steps failed\nb: no memory"
    assert describe(PIPELINE_RUN, aws.client) == Execution(PIPELINE_RUN, "Failed", said)
    assert describe(PIPELINE_RUN, aws.client) == Execution(PIPELINE_RUN, "Succeeded")


def test_waiting_asks_until_the_end(monkeypatch):
    slept = []
    monkeypatch.setattr(execution.time, "sleep", slept.append)
    states = [{"status": status} for status in ("RUNNING", "RUNNING", "SUCCEEDED")]
    aws = Service(describe_execution=states)
    assert wait(RUN, aws.client, poll_seconds=3).succeeded
    assert slept == [3, 3]


def test_states_and_how_long_they_took():
    def event(kind, name, seconds):
        detail = f"state{'Entered' if kind == 'Entered' else 'Exited'}EventDetails"
        when = START + timedelta(seconds=seconds)
        return {"type": f"TaskState{kind}", detail: {"name": name}, "timestamp": when}

    pages = [
        {"events": [event("Entered", "a", 0), {"type": "TaskScheduled"}, event("Entered", "b", 1)]},
        {"events": [event("Exited", "a", 5)]},
    ]
    aws = Service(get_execution_history=pages)
    assert steps(RUN, aws.client) == [("a", "Succeeded", 5.0), ("b", "Failed", None)]


def test_steps_of_a_pipeline_in_the_order_of_their_starts():
    end = START + timedelta(seconds=7)
    pages = [
        {
            "PipelineExecutionSteps": [
                {"StepName": "a", "StepStatus": "Succeeded", "StartTime": START, "EndTime": end},
                {"StepName": "b", "StepStatus": "Executing", "StartTime": START},
            ]
        }
    ]
    aws = Service(list_pipeline_execution_steps=pages)
    assert steps(PIPELINE_RUN, aws.client) == [("a", "Succeeded", 7.0), ("b", "Executing", None)]
    assert aws.requests == [{"PipelineExecutionArn": PIPELINE_RUN, "SortOrder": "Ascending"}]
