from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from airflow_ml_provider.aws import execution
from airflow_ml_provider.aws.execution import (
    Execution,
    Step,
    describe,
    retry_pauses,
    start,
    steps,
    wait,
)
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
    polled = []
    assert wait(RUN, aws.client, poll_seconds=3, on_poll=lambda: polled.append(1)).succeeded
    assert slept == [3, 3]
    assert len(polled) == 2


@pytest.fixture
def history():
    """Two branches, a map's state of two items, and one that nothing ended."""
    return Service(
        get_execution_history=[
            {
                "events": [
                    event(1, 0, "ParallelStateStarted", 0),
                    event(2, 1, "TaskStateEntered", 0, name="a"),
                    event(3, 1, "TaskStateEntered", 1, name="b"),
                    event(4, 2, "TaskScheduled", 1),
                    event(5, 3, "TaskScheduled", 1),
                    event(6, 4, "TaskFailed", 2, error="E", cause="first"),
                    event(7, 5, "TaskSucceeded", 3),
                    event(8, 6, "TaskScheduled", 4),
                ]
            },
            {
                "events": [
                    event(9, 7, "TaskStateExited", 5),
                    event(10, 8, "TaskTimedOut", 6, error="States.Timeout", cause="late"),
                    event(11, 10, "TaskStateExited", 6),
                    event(12, 11, "TaskStateEntered", 6, name="item"),
                    event(13, 11, "TaskStateEntered", 6, name="item"),
                    event(14, 12, "TaskSubmitFailed", 7, error="E", cause='{"ErrorMessage": "m"}'),
                    event(15, 13, "TaskSucceeded", 8),
                    event(16, 14, "TaskStateExited", 7),
                    event(17, 15, "TaskStateExited", 8),
                    event(18, 17, "TaskStateEntered", 8, name="c"),
                    event(19, 17, "ExecutionFailed", 8, error="E"),
                ]
            },
        ]
    )


def event(number, before, kind, seconds, **details):
    field = "stateEntered" if kind == "TaskStateEntered" else f"{kind[0].lower()}{kind[1:]}"
    return {
        "id": number,
        "previousEventId": before,
        "type": kind,
        "timestamp": START + timedelta(seconds=seconds),
        f"{field}EventDetails": details,
    }


def test_states_and_how_long_they_took(history):
    """A state that caught its failure left well, and a branch's failure may not be the first."""
    assert steps(RUN, history.client) == [
        Step("a", "Failed", 6.0, "States.Timeout: late"),
        Step("b", "Succeeded", 4.0),
        Step("item", "Failed", 2.0, "E: m"),
        Step("c", "Failed", None),
    ]


def test_a_later_try_mends_a_state():
    history = [
        event(1, 0, "TaskStateEntered", 0, name="a"),
        event(2, 1, "TaskFailed", 1, error="E"),
        event(3, 2, "TaskScheduled", 2),
        event(4, 3, "TaskSucceeded", 3),
        event(5, 4, "TaskStateExited", 3),
    ]
    aws = Service(get_execution_history=[{"events": history}])
    assert steps(RUN, aws.client) == [Step("a", "Succeeded", 3.0)]


RETRIERS = [
    {"ErrorEquals": ["Busy"], "MaxAttempts": 5, "BackoffRate": 1.0, "IntervalSeconds": 7},
    {
        "ErrorEquals": ["States.TaskFailed"],
        "IntervalSeconds": 10,
        "MaxAttempts": 3,
        "BackoffRate": 3.0,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",
    },
]


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        (["E"], (1, 4, 10, True)),
        (["E", "E"], (2, 4, 30, True)),
        (["E", "E", "E"], (3, 4, 60, True)),
        (["E", "E", "E", "E"], None),
        (["E", "Busy"], (2, 7, 7, False)),
        (["Busy", "E"], (2, 5, 10, True)),
        (["States.Timeout"], None),
    ],
)
@pytest.mark.parametrize("inside", ["Branches", "ItemProcessor", None])
def test_pauses_between_tries(errors, told, inside):
    machine = {"States": {"a": {"Type": "Task", "Retry": RETRIERS}}}
    if inside:
        machine = {"States": {"p": {inside: machine if "Item" in inside else [machine]}}}
    events = [event(1, 0, "TaskStateEntered", 0, name="a")]
    for error in errors:
        number = len(events)
        events.append(event(number + 1, number, "TaskScheduled", number))
        events.append(event(number + 2, number + 1, "TaskFailed", number, error=error, cause="no"))
    aws = Service(get_execution_history=[{"events": events}])
    found = retry_pauses(RUN, aws.client, machine)
    assert list(found) == ([(1, len(errors))] if told else [])
    for pause in found.values():
        assert pause.reason == f"{errors[-1]}: no"
        assert (pause.tried, pause.tries, pause.seconds, pause.jitter) == told


def test_no_pause_without_a_retry_or_after_it(history):
    machine = {"States": {name: {"Retry": RETRIERS} for name in ("a", "b", "item", "c")}}
    assert retry_pauses(RUN, history.client, machine) == {}
    assert retry_pauses(PIPELINE_RUN, history.client, machine) == {}
    event_failed = event(2, 1, "TaskFailed", 1, error="E")
    events = [event(1, 0, "TaskStateEntered", 0, name="a"), event_failed]
    aws = Service(get_execution_history=[{"events": events}])
    assert retry_pauses(RUN, aws.client, {"States": {"a": {}}}) == {}


def test_steps_of_a_pipeline_in_the_order_of_their_starts():
    end = START + timedelta(seconds=7)
    pages = [
        {
            "PipelineExecutionSteps": [
                {"StepName": "a", "StepStatus": "Succeeded", "StartTime": START, "EndTime": end},
                {
                    "StepName": "b",
                    "StepStatus": "Failed",
                    "StartTime": START,
                    "FailureReason": "no",
                },
            ]
        }
    ]
    aws = Service(list_pipeline_execution_steps=pages)
    assert steps(PIPELINE_RUN, aws.client) == [
        Step("a", "Succeeded", 7.0),
        Step("b", "Failed", None, "no"),
    ]
    assert aws.requests == [{"PipelineExecutionArn": PIPELINE_RUN, "SortOrder": "Ascending"}]
