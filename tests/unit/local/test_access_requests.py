"""Which permissions a call needs."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_ml_provider.local.access_requests import Place, permissions

ACCOUNT = "123456789012"
HERE = Place(ACCOUNT, "eu-central-1")
JOBS = f"arn:aws:iam::{ACCOUNT}:role/jobs"
SAGEMAKER = f"arn:aws:sagemaker:eu-central-1:{ACCOUNT}"


def needs(service: str, operation: str, **params: Any) -> list[tuple[str, str]]:
    found = permissions(service, operation, params, HERE)
    return [(one.action, one.resource) for one in found]


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        (
            "s3",
            "GetObject",
            {"Bucket": "b", "Key": "k/x"},
            [("s3:GetObject", "arn:aws:s3:::b/k/x")],
        ),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::b/k")]),
        ("s3", "UploadPart", {"Bucket": "b", "Key": "k"}, [("s3:PutObject", "arn:aws:s3:::b/k")]),
        ("s3", "ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        (
            "s3",
            "ListMultipartUploads",
            {"Bucket": "b", "Prefix": "k"},
            [("s3:ListBucketMultipartUploads", "arn:aws:s3:::b")],
        ),
        ("s3", "GetBucketLocation", {"Bucket": "b"}, [("s3:GetBucketLocation", "arn:aws:s3:::b")]),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "x"}, {"Key": "y"}]}},
            [("s3:DeleteObject", "arn:aws:s3:::b/x"), ("s3:DeleteObject", "arn:aws:s3:::b/y")],
        ),
        (
            "s3",
            "PutObject",
            {"Bucket": "b", "Key": "k", "Tagging": "a=b"},
            [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:PutObjectTagging", "arn:aws:s3:::b/k")],
        ),
        (
            "sagemaker",
            "CreateTransformJob",
            {"TransformJobName": "t", "ModelName": "m"},
            [("sagemaker:CreateTransformJob", f"{SAGEMAKER}:transform-job/t")],
        ),
        (
            "sagemaker",
            "CreateHyperParameterTuningJob",
            {
                "HyperParameterTuningJobName": "h",
                "TrainingJobDefinition": {"RoleArn": JOBS},
                "Tags": [{"Key": "a", "Value": "b"}],
            },
            [
                (
                    "sagemaker:CreateHyperParameterTuningJob",
                    f"{SAGEMAKER}:hyper-parameter-tuning-job/h",
                ),
                ("sagemaker:AddTags", f"{SAGEMAKER}:hyper-parameter-tuning-job/h"),
                ("iam:PassRole", JOBS),
            ],
        ),
        (
            "sagemaker",
            "CreateModelPackage",
            {"ModelPackageGroupName": "g"},
            [
                ("sagemaker:CreateModelPackage", f"{SAGEMAKER}:model-package-group/g"),
                ("sagemaker:CreateModelPackage", f"{SAGEMAKER}:model-package/g/1"),
            ],
        ),
        (
            "sagemaker",
            "DescribeModelPackage",
            {"ModelPackageName": f"{SAGEMAKER}:model-package/g/3"},
            [("sagemaker:DescribeModelPackage", f"{SAGEMAKER}:model-package/g/3")],
        ),
        (
            "sagemaker",
            "ListModelPackages",
            {"ModelPackageGroupName": "g"},
            [("sagemaker:ListModelPackages", "*")],
        ),
        (
            "emr-serverless",
            "StartJobRun",
            {"applicationId": "a1", "executionRoleArn": JOBS},
            [
                (
                    "emr-serverless:StartJobRun",
                    f"arn:aws:emr-serverless:eu-central-1:{ACCOUNT}:/applications/a1",
                ),
                ("iam:PassRole", JOBS),
            ],
        ),
        (
            "emr-serverless",
            "GetJobRun",
            {"applicationId": "a1", "jobRunId": "r1"},
            [
                (
                    "emr-serverless:GetJobRun",
                    f"arn:aws:emr-serverless:eu-central-1:{ACCOUNT}:/applications/a1/jobruns/r1",
                )
            ],
        ),
        (
            "emr-serverless",
            "ListJobRuns",
            {"applicationId": "a1"},
            [
                (
                    "emr-serverless:ListJobRuns",
                    f"arn:aws:emr-serverless:eu-central-1:{ACCOUNT}:/applications/a1",
                )
            ],
        ),
        (
            "glue",
            "UpdateJob",
            {"JobName": "j", "JobUpdate": {"Role": "jobs"}},
            [
                ("glue:UpdateJob", f"arn:aws:glue:eu-central-1:{ACCOUNT}:job/j"),
                ("iam:PassRole", JOBS),
            ],
        ),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "f"},
            [("lambda:InvokeFunction", f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:f")],
        ),
        (
            "sqs",
            "SendMessage",
            {"QueueUrl": "http://localhost:4566/210987654321/q"},
            [("sqs:SendMessage", "arn:aws:sqs:eu-central-1:210987654321:q")],
        ),
        (
            "stepfunctions",
            "StartExecution",
            {"stateMachineArn": "arn:aws:states:x:1:stateMachine:m"},
            [("states:StartExecution", "arn:aws:states:x:1:stateMachine:m")],
        ),
        (
            "logs",
            "GetLogEvents",
            {"logGroupName": "/g", "logStreamName": "s/1"},
            [
                (
                    "logs:GetLogEvents",
                    f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/g:log-stream:s/1",
                )
            ],
        ),
        ("athena", "ListWorkGroups", {}, [("athena:ListWorkGroups", "*")]),
    ],
)
def test_what_a_call_needs(
    service: str, operation: str, params: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert needs(service, operation, **params) == expected


def test_the_context_of_a_request() -> None:
    (listing,) = permissions("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "a/"}, HERE)
    assert listing.context == (("s3:prefix", "a/"),)
    passed = permissions("glue", "CreateJob", {"Name": "j", "Role": JOBS}, HERE)[1]
    assert passed.context == (("iam:PassedToService", "glue.amazonaws.com"),)
