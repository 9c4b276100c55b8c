from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_ml_provider.jobs.errors import JobNotFoundError
from airflow_ml_provider.jobs.sagemaker_pipeline import SAGEMAKER_PIPELINE
from airflow_ml_provider.jobs.start import How
from airflow_ml_provider.jobs.state import Phase

NOW = datetime.now(timezone.utc)
REQUEST = {"PipelineName": "flights", "PipelineParameters": [{"Name": "depth", "Value": "5"}]}


def arn(number, pipeline="flights"):
    return f"arn:aws:sagemaker:eu-west-1:123456789012:pipeline/{pipeline}/execution/{number}"


def execution(status="Executing", number="1", name="t-1", **fields):
    return {
        "PipelineArn": "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/flights",
        "PipelineExecutionArn": arn(number),
        "PipelineExecutionDisplayName": name,
        "PipelineExecutionStatus": status,
        "CreationTime": NOW,
        **fields,
    }


def test_starts_under_the_token_and_is_found_by_it(aws, begin):
    others = [execution(number="9", name="x"), {"PipelineExecutionArn": arn("8")}]
    listed = [
        {"PipelineExecutionSummaries": others},
        {"PipelineExecutionSummaries": [*others, execution()]},
    ]
    fake = aws(
        "sagemaker",
        ListPipelineExecutions=listed,
        StartPipelineExecution={"PipelineExecutionArn": arn("1")},
        DescribePipelineExecution=execution(),
    )
    started = begin(SAGEMAKER_PIPELINE, fake.client, REQUEST, "t")
    assert (started.job_id, started.how) == (arn("1"), How.CREATED)
    sent = fake.calls[-1][1]
    assert sent["PipelineExecutionDisplayName"] == "t-1"
    assert 32 <= len(sent["ClientRequestToken"]) <= 128
    assert sent["PipelineParameters"] == REQUEST["PipelineParameters"]
    assert begin(SAGEMAKER_PIPELINE, fake.client, REQUEST, "t").how is How.ATTACHED


def test_the_same_token_is_sent_again_for_the_same_job_only(aws):
    fake = aws("sagemaker", StartPipelineExecution={"PipelineExecutionArn": arn("1")})
    for token in ("t-1", "t-1", "t-2"):
        SAGEMAKER_PIPELINE.submit(fake.client, REQUEST, token)
    first, again, second = (sent["ClientRequestToken"] for _, sent in fake.calls)
    assert first == again != second


def test_a_failure_names_the_failed_steps(aws):
    steps = [
        {"StepName": "train", "StepStatus": "Failed", "FailureReason": "AlgorithmError"},
        {"StepName": "features", "StepStatus": "Succeeded"},
        {"StepName": "tell", "StepStatus": "Failed"},
    ]
    fake = aws(
        "sagemaker",
        DescribePipelineExecution=execution("Failed", FailureReason="Step failure"),
        ListPipelineExecutionSteps={"PipelineExecutionSteps": steps},
    )
    state = SAGEMAKER_PIPELINE.state(fake.client, arn("1"))
    assert state.phase is Phase.FAILED
    assert state.reason == "Step failure; step train: AlgorithmError; step tell: no reason"
    assert state.result["PipelineExecutionArn"] == arn("1")


@pytest.mark.parametrize(
    ("status", "phase", "stopping"),
    [
        ("Executing", Phase.RUNNING, False),
        ("Stopping", Phase.RUNNING, True),
        ("Stopped", Phase.STOPPED, False),
        ("Succeeded", Phase.SUCCEEDED, False),
        ("CompletedWithFailures", Phase.SUCCEEDED, False),
    ],
)
def test_phases(aws, status, phase, stopping):
    fake = aws("sagemaker", DescribePipelineExecution=execution(status))
    state = SAGEMAKER_PIPELINE.state(fake.client, arn("1"))
    assert (state.phase, state.stopping, state.reason) == (phase, stopping, None)


def test_an_unknown_execution(aws, refusal):
    fake = aws("sagemaker", DescribePipelineExecution=refusal("ResourceNotFound"))
    with pytest.raises(JobNotFoundError):
        SAGEMAKER_PIPELINE.state(fake.client, arn("1"))
    fake = aws("sagemaker", DescribePipelineExecution=refusal("AccessDeniedException"))
    with pytest.raises(Exception, match="AccessDenied"):
        SAGEMAKER_PIPELINE.state(fake.client, arn("1"))


def test_executions_are_listed_by_pipeline(aws):
    listed = {"PipelineExecutionSummaries": [execution("Stopping"), execution(number="9")]}
    fake = aws("sagemaker", ListPipelineExecutions=listed)
    wanted = [arn("1"), arn("2"), arn("1", "other")]
    states = SAGEMAKER_PIPELINE.states(fake.client, wanted, 0.0)
    assert states.keys() == {arn("1")}
    assert states[arn("1")].stopping
    ((_, request),) = fake.calls
    assert request["PipelineName"] == "flights"


def test_stop(aws, refusal):
    fake = aws("sagemaker", StopPipelineExecution={})
    SAGEMAKER_PIPELINE.stop(fake.client, arn("1"))
    assert len(fake.calls[0][1]["ClientRequestToken"]) >= 32
    refused = refusal("ValidationException", "it has ended")
    for answer in (execution("Stopping"), execution("Stopped"), refusal("ResourceNotFound")):
        fake = aws("sagemaker", StopPipelineExecution=refused, DescribePipelineExecution=answer)
        SAGEMAKER_PIPELINE.stop(fake.client, arn("1"))
    fake = aws("sagemaker", StopPipelineExecution=refused, DescribePipelineExecution=execution())
    with pytest.raises(Exception, match="it has ended"):
        SAGEMAKER_PIPELINE.stop(fake.client, arn("1"))


def test_places():
    ((operation, params),) = SAGEMAKER_PIPELINE.requests(REQUEST)
    assert operation == "StartPipelineExecution"
    assert len(params["ClientRequestToken"]) >= 32
    assert SAGEMAKER_PIPELINE.logs("j", {}) == ()
    assert SAGEMAKER_PIPELINE.differences(None, REQUEST, "j") == ()
    assert SAGEMAKER_PIPELINE.console_path("j") == "sagemaker/home#/studio-landing"


def test_actions_are_those_of_the_calls(aws):
    fake = aws(
        "sagemaker",
        ListPipelineExecutions={"PipelineExecutionSummaries": [execution("Failed")]},
        DescribePipelineExecution=execution("Failed"),
        ListPipelineExecutionSteps={"PipelineExecutionSteps": []},
        StartPipelineExecution={"PipelineExecutionArn": arn("1")},
        StopPipelineExecution={},
    )
    assert SAGEMAKER_PIPELINE.find(fake.client, REQUEST, "t-1").phase is Phase.FAILED
    SAGEMAKER_PIPELINE.submit(fake.client, REQUEST, "t-2")
    SAGEMAKER_PIPELINE.stop(fake.client, arn("1"))
    assert fake.actions == SAGEMAKER_PIPELINE.actions
