"""The buckets and the key, made by moto's CloudFormation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from airflow_ml_provider.mwaa.doctor_bucket import bucket_findings
from airflow_ml_provider.mwaa.finding import GOOD

if TYPE_CHECKING:
    from collections.abc import Callable

    Deploy = Callable[..., dict[str, str]]


@pytest.mark.parametrize("which", ["SourceBucketName", "DataBucketName"])
def test_the_key_encrypts_by_default(deploy: Deploy, which: str) -> None:
    made = deploy("storage")
    found = boto3.client("s3").get_bucket_encryption(Bucket=made[which])
    (rule,) = found["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": made["KeyArn"],
    }


@pytest.mark.parametrize("which", ["SourceBucketName", "DataBucketName"])
def test_the_doctor_finds_it_versioned_and_private(deploy: Deploy, which: str) -> None:
    made = deploy("storage")
    (found,) = bucket_findings(boto3.client("s3"), made[which], "eu-central-1")
    assert found.severity == GOOD


def test_objects_belong_to_the_bucket(deploy: Deploy) -> None:
    deploy("storage")
    s3 = boto3.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        found = s3.get_bucket_ownership_controls(Bucket=bucket["Name"])["OwnershipControls"]
        assert found["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_no_bucket_takes_plain_connections(deploy: Deploy) -> None:
    deploy("storage")
    s3 = boto3.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket["Name"])["Policy"])
        denial = policy["Statement"][0]
        assert denial["Effect"] == "Deny"
        assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        arn = f"arn:aws:s3:::{bucket['Name']}"
        assert denial["Resource"] == [arn, f"{arn}/*"]


def test_data_and_code_outlive_the_stack(templates: dict[str, Any]) -> None:
    resources = templates["storage"]["Resources"].values()
    kept = [one for one in resources if one["Type"] in {"AWS::S3::Bucket", "AWS::KMS::Key"}]
    assert len(kept) == 4
    for resource in kept:
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


def test_versions_that_the_environment_may_name_are_kept(templates: dict[str, Any]) -> None:
    bucket = templates["storage"]["Resources"]["SourceBucket"]["Properties"]
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert "ExpirationInDays" not in rule
    assert rule["NoncurrentVersionExpiration"]["NewerNoncurrentVersions"] >= 10
