from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from airflow_ml_provider.jobs.errors import JobNotFoundError
from airflow_ml_provider.jobs.sagemaker import PROCESSING, TRAINING, TRANSFORM, TUNING
from airflow_ml_provider.jobs.start import How
from airflow_ml_provider.jobs.state import LogStreams, Phase

NOW = datetime.now(timezone.utc)
ROLE = "arn:aws:iam::123456789012:role/sagemaker"
TRAIN = {
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
    "Tags": [{"Key": "a", "Value": "b"}],
}
PROCESS = {
    "RoleArn": ROLE,
    "AppSpecification": {"ImageUri": "image"},
    "ProcessingResources": {
        "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
    },
}


def training(status="Completed", **fields):
    return {
        "TrainingJobName": "j",
        "TrainingJobArn": "arn:j",
        "TrainingJobStatus": status,
        "SecondaryStatus": status,
        "CreationTime": NOW,
        **fields,
    }


def test_a_completed_training_job_has_a_small_result(aws):
    fake = aws(
        "sagemaker",
        DescribeTrainingJob=training(
            ModelArtifacts={"S3ModelArtifacts": "s3://b/model.tar.gz"},
            FinalMetricDataList=[{"MetricName": "auc", "Value": 0.7, "Timestamp": NOW}],
            BillableTimeInSeconds=60,
            TrainingTimeInSeconds=90,
        ),
    )
    state = TRAINING.state(fake.client, "j")
    assert (state.phase, state.reason) == (Phase.SUCCEEDED, None)
    assert json.loads(json.dumps(state.result)) == {
        "TrainingJobName": "j",
        "TrainingJobArn": "arn:j",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"},
        "FinalMetricDataList": [{"MetricName": "auc", "Value": 0.7}],
        "BillableTimeInSeconds": 60,
        "TrainingTimeInSeconds": 90,
    }


@pytest.mark.parametrize(
    ("answer", "phase", "reason"),
    [
        (training("InProgress"), Phase.RUNNING, None),
        (training("Failed", FailureReason="AlgorithmError"), Phase.FAILED, "AlgorithmError"),
        (training("Failed"), Phase.FAILED, None),
        (training("Stopped"), Phase.STOPPED, None),
        (
            training(
                "Stopped",
                SecondaryStatus="MaxRuntimeExceeded",
                StoppingCondition={"MaxRuntimeInSeconds": 60},
            ),
            Phase.STOPPED,
            "MaxRuntimeExceeded: StoppingCondition.MaxRuntimeInSeconds is 60",
        ),
        (training("SomeNewWord"), Phase.RUNNING, None),
    ],
)
def test_phases_and_reasons(aws, answer, phase, reason):
    state = TRAINING.state(aws("sagemaker", DescribeTrainingJob=answer).client, "j")
    assert (state.phase, state.reason, state.stopping) == (phase, reason, False)


def test_a_processing_job_says_its_exit_message_and_outputs(aws):
    outputs = {"Outputs": [{"OutputName": "train", "S3Output": {"S3Uri": "s3://b/train"}}]}
    fake = aws(
        "sagemaker",
        DescribeProcessingJob={
            "ProcessingJobName": "j",
            "ProcessingJobArn": "arn:j",
            "ProcessingJobStatus": "Failed",
            "ProcessingOutputConfig": outputs,
            "ExitMessage": "no input",
        },
    )
    state = PROCESSING.state(fake.client, "j")
    assert (state.phase, state.reason) == (Phase.FAILED, "no input")
    assert state.result["ProcessingOutputConfig"] == outputs


def test_an_unknown_job(aws, refusal):
    missing = refusal("ValidationException", "Requested resource not found.")
    fake = aws("sagemaker", DescribeTrainingJob=missing)
    assert TRAINING.find(fake.client, {}, "j") is None
    with pytest.raises(JobNotFoundError, match="sagemaker_training job 'j' does not exist"):
        TRAINING.state(fake.client, "j")


def test_a_refused_describe_is_not_a_missing_job(aws, refusal):
    fake = aws("sagemaker", DescribeTrainingJob=refusal("AccessDeniedException", "no"))
    with pytest.raises(Exception, match="AccessDenied"):
        TRAINING.find(fake.client, {}, "j")


def test_creates_under_the_token(aws):
    fake = aws("sagemaker", CreateProcessingJob={"ProcessingJobArn": "arn"})
    assert PROCESSING.submit(fake.client, PROCESS, "token-1") == "token-1"
    assert fake.calls[0][1]["ProcessingJobName"] == "token-1"


def test_a_taken_name_is_the_job_and_another_refusal_is_raised(aws, refusal):
    fake = aws("sagemaker", CreateTrainingJob=[refusal("ResourceInUse"), refusal("AccessDenied")])
    assert TRAINING.submit(fake.client, TRAIN, "token-1") == "token-1"
    with pytest.raises(Exception, match="AccessDenied"):
        TRAINING.submit(fake.client, TRAIN, "token-1")


def listing(noun, *pages):
    """Answers a list call page by page; each page is a dict of job names and their statuses."""

    def listed(**request):
        assert request["LastModifiedTimeAfter"] == NOW
        number = int(request.get("NextToken", 0))
        jobs = [
            {f"{noun}JobName": name, f"{noun}JobStatus": status}
            for name, status in pages[number].items()
        ]
        more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return {f"{noun}JobSummaries": jobs, **more}

    return listed


def test_one_list_call_tells_which_of_a_thousand_jobs_changed(aws):
    names = [f"flights-train-{number}" for number in range(1000)]
    changed = {
        names[0]: "Completed",
        names[1]: "InProgress",
        names[2]: "Stopping",
        "other": "Failed",
    }
    fake = aws("sagemaker", ListTrainingJobs=listing("Training", changed))
    states = TRAINING.states(fake.client, names, NOW.timestamp())
    assert states.keys() == set(names)
    assert states.pop(names[0]).phase is Phase.SUCCEEDED
    assert states.pop(names[2]).stopping
    assert {(one.phase, one.stopping) for one in states.values()} == {(Phase.RUNNING, False)}
    ((_, request),) = fake.calls
    assert request["NameContains"] == "flights-train-"


def test_a_list_that_is_longer_than_asking_for_each_is_left(aws):
    others = [{f"x{number}": "Completed"} for number in range(9)]
    pages = [*others[:2], {"b": "InProgress"}, *others]
    fake = aws("sagemaker", ListProcessingJobs=listing("Processing", *pages))
    assert PROCESSING.states(fake.client, ["a", "b"], NOW.timestamp()).keys() == {"b"}
    assert len(fake.calls) == 3
    assert "NameContains" not in fake.calls[0][1]


def test_stopping_an_ended_stopping_or_unknown_job_is_no_error(aws, refusal):
    ended = refusal("ValidationException", "The job is in status Completed")
    for answer in (
        training("Stopped"),
        training("Stopping"),
        refusal("ValidationException", "Requested resource not found."),
    ):
        fake = aws("sagemaker", StopTrainingJob=ended, DescribeTrainingJob=answer)
        TRAINING.stop(fake.client, "j")
    TRAINING.stop(aws("sagemaker", StopTrainingJob={}).client, "j")


def test_a_stop_that_failed_is_an_error(aws, refusal):
    denied, running = refusal("AccessDeniedException"), training("InProgress")
    fake = aws("sagemaker", StopTrainingJob=denied, DescribeTrainingJob=running)
    with pytest.raises(Exception, match="AccessDenied"):
        TRAINING.stop(fake.client, "j")
    with pytest.raises(Exception, match="Throttling"):
        TRAINING.stop(aws("sagemaker", StopTrainingJob=refusal("Throttling")).client, "j")


def test_differences_leave_out_tags_and_the_name(aws):
    fake = aws(
        "sagemaker",
        DescribeTrainingJob=training(
            RoleArn="another", OutputDataConfig={"S3OutputPath": "s3://b/out", "KmsKeyId": ""}
        ),
    )
    assert TRAINING.differences(fake.client, TRAIN, "j") == ("RoleArn",)


def test_places():
    assert TRAINING.logs("j", {}) == (LogStreams("/aws/sagemaker/TrainingJobs", "j/"),)
    assert PROCESSING.logs("j", {}) == (LogStreams("/aws/sagemaker/ProcessingJobs", "j/"),)
    assert TRAINING.console_path("j") == "sagemaker/home#/jobs/j"
    assert PROCESSING.console_path("j") == "sagemaker/home#/processing-jobs/j"
    ((operation, params),) = TRAINING.requests(TRAIN)
    assert operation == "CreateTrainingJob"
    assert params["TrainingJobName"]


def test_actions_are_those_of_the_calls(begin, aws, refusal):
    created = []

    def describe(**request):
        if not created:
            return refusal("ValidationException", "Requested resource not found.")
        return training("InProgress")

    fake = aws(
        "sagemaker",
        DescribeTrainingJob=describe,
        CreateTrainingJob=lambda **request: created.append(request) or {},
        ListTrainingJobs={"TrainingJobSummaries": []},
        StopTrainingJob={},
    )
    assert begin(TRAINING, fake.client, TRAIN, "t").how is How.CREATED
    assert begin(TRAINING, fake.client, TRAIN, "t").how is How.ATTACHED
    TRAINING.states(fake.client, ["a", "b"], 0.0)
    TRAINING.stop(fake.client, "a")
    assert fake.actions == TRAINING.actions


def test_a_transform_job(aws, begin, refusal):
    missing = refusal("ValidationException", "Requested resource not found.")
    output = {"S3OutputPath": "s3://b/out", "Accept": "text/csv"}
    described = {
        "TransformJobName": "j",
        "TransformJobArn": "arn:j",
        "TransformJobStatus": "Failed",
        "FailureReason": "AlgorithmError: bad",
        "TransformOutput": output,
    }
    fake = aws("sagemaker", DescribeTransformJob=[missing, described], CreateTransformJob={})
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}}
    request = {
        "ModelName": "m",
        "TransformInput": {"DataSource": source},
        "TransformOutput": output,
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    assert begin(TRANSFORM, fake.client, request, "t").job_id == "t-1"
    state = TRANSFORM.state(fake.client, "t-1")
    assert (state.phase, state.reason) == (Phase.FAILED, "AlgorithmError: bad")
    assert state.result["TransformOutput"] == output
    assert TRANSFORM.logs("j", {}) == (LogStreams("/aws/sagemaker/TransformJobs", "j/"),)
    assert TRANSFORM.console_path("j") == "sagemaker/home#/transform-jobs/j"


SEARCH = {
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1},
    }
}


def tuning(status, **fields):
    return {
        "HyperParameterTuningJobName": "j",
        "HyperParameterTuningJobArn": "arn:j",
        "HyperParameterTuningJobStatus": status,
        **SEARCH,
        **fields,
    }


def test_a_tuning_job_tells_its_best_training_job(aws):
    best = {"TrainingJobName": "j-001-0a1b2c3d", "CreationTime": NOW, "TunedHyperParameters": {}}
    answer = tuning("Completed", BestTrainingJob=best)
    state = TUNING.state(aws("sagemaker", DescribeHyperParameterTuningJob=answer).client, "j")
    assert state.phase is Phase.SUCCEEDED
    assert state.result["BestTrainingJob"]["TrainingJobName"] == "j-001-0a1b2c3d"
    assert json.dumps(state.result)
    assert TUNING.name == "sagemaker_tuning"
    assert TUNING.logs("j", {}) == (LogStreams("/aws/sagemaker/TrainingJobs", "j-"),)
    assert TUNING.console_path("j") == "sagemaker/home#/hyper-tuning-jobs/j"


def test_a_tuning_job_has_a_short_name(aws, begin, refusal):
    prefix = f"{'flight-delays-' * 3}0123456789abcdef"
    short = "flight-delays-0123456789abcdef-1"
    missing = refusal("ValidationException", "Requested resource not found.")
    fake = aws(
        "sagemaker",
        DescribeHyperParameterTuningJob=[missing, tuning("InProgress"), tuning("InProgress")],
        CreateHyperParameterTuningJob={},
        ListHyperParameterTuningJobs=listing("HyperParameterTuning", {short: "Stopping"}),
        StopHyperParameterTuningJob={},
    )
    assert begin(TUNING, fake.client, SEARCH, prefix).job_id == short
    started = begin(TUNING, fake.client, SEARCH, prefix)
    assert (started.job_id, started.how) == (short, How.ATTACHED)
    assert TUNING.states(fake.client, [short], NOW.timestamp())[short].stopping
    TUNING.stop(fake.client, short)
    assert fake.actions == TUNING.actions
    names = {params.get("HyperParameterTuningJobName", short) for _, params in fake.calls}
    assert names == {short}
