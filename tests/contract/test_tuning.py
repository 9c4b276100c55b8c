"""Hyperparameter tuning jobs, as AWS runs them."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Json = dict[str, Any]
Client = Callable[[str], Any]
SCRIPT = """
import argparse, os, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=0)
parser.add_argument("--eta", type=float, default=0.0)
parser.add_argument("--colour", default="")
parser.add_argument("--rounds", type=int)
args = parser.parse_args()
assert args.rounds == 7
pathlib.Path(os.environ["SM_MODEL_DIR"], "depth").write_text(str(args.depth))
print(f"validation: score={args.depth + (args.colour == 'red')};")
"""
INTEGERS = {"Name": "depth", "MinValue": "1", "MaxValue": "6"}


def packed(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("train.py")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture
def name(name: str) -> str:
    """Return a name that a tuning job may have."""
    return name[:32]


@pytest.fixture
def request_for(
    *, name: str, bucket: str, role_arn: str, image: str, put: Callable[..., str]
) -> Callable[..., Json]:
    """Return a request for a tuning job of a training script."""

    def request(ranges: Json, script: str = SCRIPT, **config: Any) -> Json:
        source = put("source.tar.gz", packed(script))
        config = {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": ranges,
            **config,
        }
        return {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": config,
            "TrainingJobDefinition": {
                "RoleArn": role_arn,
                "AlgorithmSpecification": {
                    "TrainingImage": image,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+);"}],
                },
                "StaticHyperParameters": {
                    "rounds": "7",
                    "sagemaker_program": "train.py",
                    "sagemaker_submit_directory": source,
                },
                "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/{name}/out/"},
                "ResourceConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                },
                "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            },
        }

    return request


@pytest.fixture
def finished(client: Client, until: Callable[..., None]) -> Callable[[Json], Json]:
    """Create a tuning job, wait for its end, and describe it."""

    def finish(request: Json) -> Json:
        sagemaker = client("sagemaker")
        sagemaker.create_hyper_parameter_tuning_job(**request)
        name = request["HyperParameterTuningJobName"]

        def job() -> Json:
            return dict(
                sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            )

        until(lambda: job()["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"))
        return job()

    return finish


def test_a_grid_is_searched_and_the_best_job_is_named(
    *,
    client: Client,
    finished: Callable[[Json], Json],
    request_for: Callable[..., Json],
    read: Callable[[str], bytes],
    name: str,
) -> None:
    ranges = {
        "CategoricalParameterRanges": [
            {"Name": "colour", "Values": ["red", "blue"]},
            {"Name": "depth", "Values": ["1", "4"]},
        ]
    }
    limits = {"MaxParallelTrainingJobs": 4}

    job = finished(request_for(ranges, Strategy="Grid", ResourceLimits=limits))

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 4
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    best = job["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"colour": "red", "depth": "4"}
    metric = best["FinalHyperParameterTuningJobObjectiveMetric"]
    assert metric == {"Type": "Maximize", "MetricName": "score", "Value": 5.0}
    assert re.fullmatch(rf"{name}-\d{{3}}-[0-9a-f]{{8}}", best["TrainingJobName"])
    sagemaker = client("sagemaker")
    training = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert training["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert training["HyperParameters"]["depth"] == "4"
    # What a pipeline refers to, since DescribeHyperParameterTuningJob has no artifact.
    path = job["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"]
    artifact = f"{path}{best['TrainingJobName']}/output/model.tar.gz"
    assert training["ModelArtifacts"]["S3ModelArtifacts"] == artifact
    with tarfile.open(fileobj=io.BytesIO(read(artifact))) as tar:
        assert tar.extractfile("depth").read() == b"4"  # type: ignore[union-attr]
    ordered = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        SortBy="FinalObjectiveMetricValue",
        SortOrder="Descending",
        MaxResults=3,
    )
    values = [
        one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for one in ordered["TrainingJobSummaries"]
    ]
    assert values == [5.0, 4.0, 2.0]
    assert ordered["NextToken"]
    (listed,) = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)[
        "HyperParameterTuningJobSummaries"
    ]
    assert listed["HyperParameterTuningJobStatus"] == "Completed"
    assert listed["ResourceLimits"] == limits


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_ranges_are_searched(
    *,
    strategy: str,
    client: Client,
    finished: Callable[[Json], Json],
    request_for: Callable[..., Json],
    name: str,
) -> None:
    ranges = {
        "IntegerParameterRanges": [INTEGERS],
        "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.001", "MaxValue": "0.1"}],
    }
    goal = {"Type": "Minimize", "MetricName": "score"}
    request = request_for(ranges, Strategy=strategy, HyperParameterTuningJobObjective=goal)

    job = finished(request)

    trials = client("sagemaker").list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )["TrainingJobSummaries"]
    assert len(trials) == 3
    depths = [int(one["TunedHyperParameters"]["depth"]) for one in trials]
    assert all(1 <= depth <= 6 for depth in depths)
    assert all(0.001 <= float(one["TunedHyperParameters"]["eta"]) <= 0.1 for one in trials)
    assert job["BestTrainingJob"]["TunedHyperParameters"]["depth"] == str(min(depths))


def test_no_objective_fails_the_search(
    *, finished: Callable[[Json], Json], request_for: Callable[..., Json]
) -> None:
    limits = {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 5}
    request = request_for(
        {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0", "MaxValue": "1"}]},
        script="print('nothing to see')",
        ResourceLimits=limits,
    )
    job = finished(request)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No objective metrics found after running")
    assert sum(job["TrainingJobStatusCounters"].values()) < 20
    assert "BestTrainingJob" not in job


def test_failed_training_jobs_do_not_fail_the_others(
    *, finished: Callable[[Json], Json], request_for: Callable[..., Json]
) -> None:
    ranges = {"CategoricalParameterRanges": [{"Name": "depth", "Values": ["1", "2"]}]}
    script = SCRIPT + "\nassert args.depth != 2\n"
    limits = {"MaxParallelTrainingJobs": 1}
    job = finished(request_for(ranges, script, Strategy="Grid", ResourceLimits=limits))
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 1
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"depth": "1"}


def test_all_failed(*, finished: Callable[[Json], Json], request_for: Callable[..., Json]) -> None:
    job = finished(request_for({"IntegerParameterRanges": [INTEGERS]}, script="exit(3)"))
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("All training jobs failed.")


def test_a_good_enough_job_ends_the_search(
    *, finished: Callable[[Json], Json], request_for: Callable[..., Json]
) -> None:
    ranges = {"CategoricalParameterRanges": [{"Name": "depth", "Values": ["5", "6", "7"]}]}
    request = request_for(
        ranges,
        Strategy="Grid",
        ResourceLimits={"MaxParallelTrainingJobs": 1},
        TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 5.0},
    )
    job = finished(request)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"depth": "5"}


def test_stop(
    *, client: Client, request_for: Callable[..., Json], until: Callable[..., None], name: str
) -> None:
    sagemaker = client("sagemaker")
    script = "import time; print('up', flush=True); time.sleep(600)"
    sagemaker.create_hyper_parameter_tuning_job(
        **request_for({"IntegerParameterRanges": [INTEGERS]}, script)
    )

    def job() -> Json:
        return dict(sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))

    until(lambda: job()["TrainingJobStatusCounters"]["InProgress"] == 2)
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert job()["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")
    until(lambda: job()["HyperParameterTuningJobStatus"] == "Stopped")
    assert job()["TrainingJobStatusCounters"]["Stopped"] == 2
    with pytest.raises(ClientError, match=r"ValidationException.*is in status Stopped"):
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def test_a_name_is_used_once_and_has_at_most_32_characters(
    *, client: Client, finished: Callable[[Json], Json], request_for: Callable[..., Json]
) -> None:
    ranges = {"CategoricalParameterRanges": [{"Name": "depth", "Values": ["1"]}]}
    request = request_for(ranges, Strategy="Grid", ResourceLimits={"MaxParallelTrainingJobs": 1})
    finished(request)
    with pytest.raises(ClientError) as error:
        client("sagemaker").create_hyper_parameter_tuning_job(**request)
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    request["HyperParameterTuningJobName"] = "x" * 33
    with pytest.raises(ClientError, match="length less than or equal to 32"):
        client("sagemaker").create_hyper_parameter_tuning_job(**request)


def test_all_problems_at_once(client: Client, request_for: Callable[..., Json]) -> None:
    request = request_for(
        {"IntegerParameterRanges": [{"Name": "rounds", "MinValue": "9", "MaxValue": "1"}]},
        HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "auc"},
        ResourceLimits={"MaxParallelTrainingJobs": 1},
    )
    with pytest.raises(ClientError, match="4 validation errors detected") as error:
        client("sagemaker").create_hyper_parameter_tuning_job(**request)
    message = str(error.value)
    assert "maxNumberOfTrainingJobs" in message
    assert "'auc'" in message
    assert "must not be above MaxValue" in message
    assert "either static or has one range" in message


def test_an_unknown_job(client: Client, name: str) -> None:
    sagemaker = client("sagemaker")
    for call in (
        sagemaker.describe_hyper_parameter_tuning_job,
        sagemaker.stop_hyper_parameter_tuning_job,
        sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
    ):
        with pytest.raises(ClientError, match="Requested resource not found"):
            call(HyperParameterTuningJobName=name)
