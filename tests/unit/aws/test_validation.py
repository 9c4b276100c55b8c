from __future__ import annotations

import pytest

from airflow_ml_provider.aws.validation import (
    coerce,
    coerce_job_request,
    job_request_problems,
    operation_names,
    request_problems,
)
from airflow_ml_provider.jobs.registry import kind

ROLE = "arn:aws:iam::123456789012:role/sagemaker"
TRAIN = {
    "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
    "ResourceConfig": {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": 10,
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


@pytest.fixture(autouse=True)
def no_account(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


def problems(**changes):
    return request_problems(
        "sagemaker", "CreateTrainingJob", {"TrainingJobName": "j-1", **TRAIN, **changes}
    )


def test_a_good_request_has_no_problems():
    assert problems() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Rolearn": ROLE}, 'Unknown parameter in input: "Rolearn", must be one of: '),
        (
            {"OutputDataConfig": {}},
            'Missing required parameter in OutputDataConfig: "S3OutputPath"',
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": "x"}},
            "Invalid type for parameter Stopping",
        ),
        ({"RoleArn": "me"}, "CreateTrainingJob.RoleArn has 2 characters; at least 20 are needed."),
        ({"TrainingJobName": "j_1"}, "TrainingJobName is 'j_1'; it must match [a-zA-Z0-9](-*"),
        ({"TrainingJobName": "j" * 64}, "has 64 characters; at most 63 are allowed."),
        (
            {"AlgorithmSpecification": {"TrainingInputMode": "Fast"}},
            "AlgorithmSpecification.TrainingInputMode is 'Fast'; allowed are Pipe, File, FastFile.",
        ),
        (
            {"ResourceConfig": {**TRAIN["ResourceConfig"], "InstanceType": "ml.m5"}},
            "ResourceConfig.InstanceType is 'ml.m5'; allowed are ml.m4.xlarge, ",
        ),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "value: 0, valid min value: 1"),
        ({"HyperParameters": {str(n): "1" for n in range(101)}}, "101 entries; at most 100 are"),
        ({"HyperParameters": {"k" * 257: "1"}}, "has 257 characters; at most 256 are allowed."),
        ({"InputDataConfig": []}, "InputDataConfig has 0 entries; at least 1 are needed."),
        (
            {"InputDataConfig": [{"ChannelName": "a b", "DataSource": {}}]},
            "CreateTrainingJob.InputDataConfig[0].ChannelName is 'a b'; it must match",
        ),
    ],
)
def test_each_problem_is_named_with_its_place(changes, said):
    found = problems(**changes)
    assert any(said in problem for problem in found), found


def test_all_problems_at_once():
    assert len(problems(Rolearn=1, TrainingJobName="j_1", OutputDataConfig={})) == 3


def test_a_pattern_that_python_can_not_read_is_not_checked():
    assert request_problems("glue", "StartJobRun", {"JobName": "täglich"}) == []


def test_a_number_that_is_too_big():
    (problem,) = request_problems("glue", "GetJobRuns", {"JobName": "j", "MaxResults": 201})
    assert problem == "GetJobRuns.MaxResults is 201; at most 200 is allowed."


def test_an_operation_without_parameters():
    with pytest.raises(ValueError, match="iam GetAccountSummary takes no parameters"):
        request_problems("iam", "GetAccountSummary", {"a": 1})


def test_the_names_of_a_service_s_operations():
    assert "CreateTrainingJob" in operation_names("sagemaker")


def test_rendered_text_becomes_what_aws_wants():
    request = {
        "HyperParameters": {"max_depth": 6, "eta": 0.5, "flag": True, "name": "x"},
        "ResourceConfig": {"InstanceCount": "2", "VolumeSizeInGB": "ten"},
        "EnableManagedSpotTraining": "True",
        "EnableNetworkIsolation": " false ",
        "EnableInterContainerTrafficEncryption": "perhaps",
        "InputDataConfig": ({"ChannelName": 1, "ShuffleConfig": {"Seed": "7"}},),
        "Unknown": "1",
    }
    assert coerce("sagemaker", "CreateTrainingJob", request) == {
        "HyperParameters": {"max_depth": "6", "eta": "0.5", "flag": "true", "name": "x"},
        "ResourceConfig": {"InstanceCount": 2, "VolumeSizeInGB": "ten"},
        "EnableManagedSpotTraining": True,
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": "perhaps",
        "InputDataConfig": [{"ChannelName": "1", "ShuffleConfig": {"Seed": 7}}],
        "Unknown": "1",
    }


def test_other_types_are_left_alone():
    assert coerce("glue", "StartJobRun", {"JobName": None, "MaxCapacity": "0.0625"}) == {
        "JobName": None,
        "MaxCapacity": 0.0625,
    }
    assert coerce("s3", "PutObject", {"Body": b"x", "ContentLength": 1}) == {
        "Body": b"x",
        "ContentLength": 1,
    }
    assert coerce("sagemaker", "CreateTrainingJob", {"ResourceConfig": "x", "Tags": "y"}) == {
        "ResourceConfig": "x",
        "Tags": "y",
    }


def test_a_glue_definition_is_a_request_too():
    request = {
        "JobName": "daily",
        "NumberOfWorkers": "2",
        "Definition": {
            "Role": ROLE,
            "Command": {"Name": "glueetl"},
            "ExecutionProperty": {"MaxConcurrentRuns": "20"},
        },
    }
    assert job_request_problems(kind("glue"), request)
    coerced = coerce_job_request(kind("glue"), request)
    assert coerced["NumberOfWorkers"] == 2
    assert coerced["Definition"]["ExecutionProperty"] == {"MaxConcurrentRuns": 20}
    assert job_request_problems(kind("glue"), coerced) == []
    assert coerce_job_request(kind("glue"), {"JobName": "daily"}) == {"JobName": "daily"}


def test_a_job_request_needs_no_name():
    assert job_request_problems(kind("sagemaker_training"), TRAIN) == []
    emr = {"applicationId": "00f1", "executionRoleArn": ROLE}
    assert job_request_problems(kind("emr_serverless"), emr) == []
