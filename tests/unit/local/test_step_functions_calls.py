"""How Step Functions spells requests, answers and errors."""

from __future__ import annotations

import io
from datetime import datetime, timezone
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from airflow_ml_provider.local.step_functions_calls import (
    boto_service,
    call,
    iso,
    milliseconds,
    optimised_error,
    sdk_error,
)

ARN = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/00abc/jobruns/1"
AT = datetime(2013, 8, 29, 1, 2, 3, 456_000, tzinfo=timezone.utc)


def stubbed(service: str, method: str, answer: dict[str, Any], request: Any) -> Any:
    client = boto3.client(
        service,
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    stub = Stubber(client)
    stub.add_response(method, answer, request)
    stub.activate()
    return client


def refused(operation: str, code: str) -> ClientError:
    metadata: Any = {"HTTPStatusCode": 400, "RequestId": "id"}
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": metadata}
    return ClientError(answer, operation)


def test_fields_are_spelled_in_pascal_case_and_keys_are_kept() -> None:
    request = {
        "applicationId": "00abc",
        "clientToken": "t",
        "executionRoleArn": "arn:aws:iam::123456789012:role/r",
        "jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "entryPointArguments": ["a"]}},
        "tags": {"teamName": "ml"},
    }
    answer = {"applicationId": "00abc", "jobRunId": "1", "arn": ARN}
    client = stubbed("emr-serverless", "start_job_run", answer, request)
    parameters = {
        "ApplicationId": "00abc",
        "ClientToken": "t",
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
        "JobDriver": {"SparkSubmit": {"EntryPoint": "s3://b/j.py", "EntryPointArguments": ["a"]}},
        "Tags": {"teamName": "ml"},
    }
    found = call(client, "startJobRun", parameters, time=milliseconds)
    assert found == {"ApplicationId": "00abc", "JobRunId": "1", "Arn": ARN}


def test_a_body_is_a_text_and_times_have_their_form() -> None:
    body = StreamingBody(io.BytesIO(b'{"a": 1}'), 8)
    answer = {"Body": body, "LastModified": AT, "Metadata": {"k": "v"}}
    client = stubbed("s3", "get_object", answer, {"Bucket": "bucket", "Key": "k"})
    found = call(client, "getObject", {"Bucket": "bucket", "Key": "k"}, time=iso)
    assert found["Body"] == '{"a": 1}'
    assert found["LastModified"] == "2013-08-29T01:02:03.456Z"
    assert milliseconds(AT) == 1_377_738_123_456


def test_an_object_may_be_a_body() -> None:
    client = stubbed("s3", "put_object", {}, {"Bucket": "bucket", "Key": "k", "Body": '{"a": 1}'})
    call(client, "putObject", {"Bucket": "bucket", "Key": "k", "Body": {"a": 1}}, time=iso)


def test_a_field_of_the_wrong_type_is_named() -> None:
    client = stubbed("s3", "get_object", {}, None)
    with pytest.raises(ValueError, match=r"could not be used to start the Task.*Key"):
        call(client, "getObject", {"Bucket": "bucket", "Key": 5}, time=iso)


@pytest.mark.parametrize(
    ("service", "operation", "code", "optimised"),
    [
        ("sagemaker", "CreateTrainingJob", "ResourceInUse", "SageMaker.ResourceInUseException"),
        (
            "sagemaker",
            "CreateTrainingJob",
            "ThrottlingException",
            "SageMaker.AmazonSageMakerException",
        ),
        ("sagemaker", "DescribeRule", "AccessDenied", "SageMaker.AmazonSageMakerException"),
        ("glue", "StartJobRun", "EntityNotFoundException", "Glue.EntityNotFoundException"),
        ("glue", "StartJobRun", "ThrottlingException", "Glue.AWSGlueException"),
        ("emr-serverless", "StartJobRun", "ConflictException", "EMRServerless.ConflictException"),
        ("stepfunctions", "StartExecution", "InvalidName", "StepFunctions.InvalidNameException"),
    ],
)
def test_errors_of_optimised_integrations(
    service: str, operation: str, code: str, optimised: str
) -> None:
    error, cause = optimised_error(service, refused(operation, code))
    assert error == optimised
    assert cause.startswith("no (Service: ")
    assert f"Error Code: {code}; Request ID: id" in cause


@pytest.mark.parametrize(
    ("service", "operation", "code", "error"),
    [
        ("s3", "GetObject", "NoSuchKey", "S3.NoSuchKeyException"),
        ("s3", "GetObject", "AccessDenied", "S3.S3Exception"),
        ("sns", "Publish", "Other", "Sns.SnsException"),
        ("dynamodb", "GetItem", "Other", "DynamoDb.DynamoDbException"),
        (
            "emr-serverless",
            "StartJobRun",
            "ValidationException",
            "EmrServerless.ValidationException",
        ),
        ("stepfunctions", "StartExecution", "Other", "Sfn.SfnException"),
    ],
)
def test_errors_of_sdk_integrations(service: str, operation: str, code: str, error: str) -> None:
    name, cause = sdk_error(service, refused(operation, code))
    prefix = error.partition(".")[0]
    assert name == error
    assert cause == f"no (Service: {prefix}, Status Code: 400, Request ID: id)"


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("sfn", "stepfunctions"),
        ("emrserverless", "emr-serverless"),
        ("s3", "s3"),
        ("nobody", "nobody"),
    ],
)
def test_names_of_services(name: str, service: str) -> None:
    assert boto_service(name) == service
