"""Requests against botocore's model."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_ml_provider.local import rules
from airflow_ml_provider.local.protocol import AwsError, read_times, service_model

Json = dict[str, Any]
LIST = service_model("sagemaker").operation_model("ListTrainingJobs")
START = service_model("emr-serverless").operation_model("StartJobRun")
CREATE = service_model("sagemaker").operation_model("CreateTrainingJob")


def problems(service: str, model: Any, params: Json) -> str:
    with pytest.raises(AwsError) as error:
        rules.check(service, model, params)
    return error.value.message


def test_a_good_request_passes() -> None:
    rules.check("sagemaker", LIST, {"MaxResults": 100, "SortBy": "Name", "NameContains": "a-b"})


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"MaxResults": 0}, "Value '0' at 'maxResults' failed to satisfy constraint"),
        ({"MaxResults": 101}, "less than or equal to 100"),
        ({"MaxResults": "7"}, "must be of type integer"),
        ({"MaxResults": True}, "must be of type integer"),
        ({"SortBy": "Age"}, "Member must satisfy enum value set: [Name, CreationTime, Status]"),
        ({"NameContains": "a_b"}, "must satisfy regular expression pattern"),
        ({"NameContains": "a" * 64}, "length less than or equal to 63"),
        ({"CreationTimeAfter": "tomorrow"}, "must be of type timestamp"),
    ],
)
def test_one_problem(params: Json, told: str) -> None:
    message = problems("sagemaker", LIST, params)
    assert message.startswith("1 validation error detected: ")
    assert told in message


def test_nested_and_missing_members_all_at_once() -> None:
    params = {
        "TrainingJobName": "-",
        "Environment": {"1": "x"},
        "InputDataConfig": [{"DataSource": {"S3DataSource": {"S3Uri": "s3://b"}}}],
    }
    message = problems("sagemaker", CREATE, params)
    assert message.startswith("6 validation errors detected: ")
    for path in (
        "roleArn",
        "outputDataConfig",
        "trainingJobName",
        "environment.key",
        "inputDataConfig.1.member.channelName",
        "inputDataConfig.1.member.dataSource.s3DataSource.s3DataType",
    ):
        assert f"'{path}'" in message


def test_a_union_has_one_member() -> None:
    params = {
        "applicationId": "a",
        "clientToken": "t",
        "executionRoleArn": "arn:aws:iam::123456789012:role/r",
        "jobDriver": {"hive": {"query": "q"}, "sparkSubmit": {"entryPoint": "e"}},
    }
    assert "exactly one member of the union" in problems("emr-serverless", START, params)


def test_many_problems_are_bounded() -> None:
    params = {
        "InputDataConfig": [{} for _ in range(19)],
        "TrainingJobName": "a",
        "RoleArn": "arn:aws:iam::123456789012:role/r",
        "OutputDataConfig": {"S3OutputPath": "s3://b"},
    }
    message = problems("sagemaker", CREATE, params)
    assert message.startswith("38 validation errors detected")
    assert message.endswith("and 18 more")


def test_glue_has_its_own_error() -> None:
    model = service_model("glue").operation_model("GetJobRun")
    with pytest.raises(AwsError) as error:
        rules.check("glue", model, {})
    assert error.value.code == "InvalidInputException"


def test_times_are_read_before_they_are_checked() -> None:
    shape = LIST.input_shape
    read = read_times(shape, {"CreationTimeAfter": 0, "MaxResults": 5, "Unknown": 1})
    assert read == {
        "CreationTimeAfter": datetime(1970, 1, 1, tzinfo=timezone.utc),
        "MaxResults": 5,
        "Unknown": 1,
    }
