"""Who may call what in the name of a role."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.local.access import Access, unused_actions
from airflow_ml_provider.local.cloud import Clients
from airflow_ml_provider.local.protocol import Identity
from airflow_ml_provider.local.server import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ACCOUNT = "123456789012"
IDENTITY = Identity(ACCOUNT, "eu-central-1", "local")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/runner"
JOBS = f"arn:aws:iam::{ACCOUNT}:role/jobs"
SAGEMAKER = f"arn:aws:sagemaker:eu-central-1:{ACCOUNT}"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [{**allowed, **one} for one in statements]}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    folder: Path = tmp_path_factory.mktemp("aws")
    with LocalAws(state_dir=folder, enforce_iam=True) as server:
        yield server


@pytest.fixture(scope="module")
def admin(aws: LocalAws) -> Callable[[str], Any]:
    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=aws.endpoint_url,
            region_name="eu-central-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    return client


@pytest.fixture
def role(admin: Callable[[str], Any]) -> Iterator[Callable[..., None]]:
    """Make the role, with these inline policies."""
    iam = admin("iam")
    iam.create_role(RoleName="runner", AssumeRolePolicyDocument=json.dumps(policy({})))

    def put(**policies: dict[str, Any]) -> None:
        for name, document in policies.items():
            iam.put_role_policy(
                RoleName="runner", PolicyName=name, PolicyDocument=json.dumps(document)
            )

    yield put
    for name in iam.list_role_policies(RoleName="runner")["PolicyNames"]:
        iam.delete_role_policy(RoleName="runner", PolicyName=name)
    for one in iam.list_attached_role_policies(RoleName="runner")["AttachedPolicies"]:
        iam.detach_role_policy(RoleName="runner", PolicyArn=one["PolicyArn"])
    iam.delete_role(RoleName="runner")


@pytest.fixture
def access() -> Access:
    return Access(enforce=True)


@pytest.fixture
def runner(aws: LocalAws, access: Access) -> Callable[[str], Any]:
    """Give a client in the name of the role."""
    clients = Clients(aws.endpoint_url, access)
    return lambda service: clients(service, IDENTITY, ROLE)


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 403}
    error: dict[str, Any] = caught.value.response["Error"]
    return error


def test_a_role_without_a_policy_may_nothing(
    role: Callable[..., None], runner: Callable[[str], Any]
) -> None:
    error = refusal(lambda: runner("sagemaker").describe_training_job(TrainingJobName="t"))
    assert error == {
        "Code": "AccessDeniedException",
        "Message": (
            f"User: arn:aws:sts::{ACCOUNT}:assumed-role/runner/local is not authorized to perform: "
            f"sagemaker:DescribeTrainingJob on resource: {SAGEMAKER}:training-job/t because no "
            "identity-based policy allows the sagemaker:DescribeTrainingJob action"
        ),
    }
    bucket = refusal(lambda: runner("s3").get_object(Bucket="b", Key="k"))
    assert bucket["Code"] == "AccessDenied"


def test_a_role_that_is_not_there_may_nothing(aws: LocalAws) -> None:
    access = Access(enforce=True)
    client = Clients(aws.endpoint_url, access)("s3", IDENTITY, f"{ROLE}-gone")
    assert refusal(client.list_buckets)["Code"] == "AccessDenied"


def test_inline_and_attached_policies_allow(
    role: Callable[..., None],
    admin: Callable[[str], Any],
    runner: Callable[[str], Any],
    access: Access,
) -> None:
    admin("s3").create_bucket(
        Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    role(data=policy({"Sid": "Put", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::lake/a/*"}))
    read = policy({"Sid": "Get", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"})
    attached = admin("iam").create_policy(PolicyName="read", PolicyDocument=json.dumps(read))
    admin("iam").attach_role_policy(RoleName="runner", PolicyArn=attached["Policy"]["Arn"])
    s3 = runner("s3")
    s3.put_object(Bucket="lake", Key="a/x", Body=b"1")
    assert s3.get_object(Bucket="lake", Key="a/x")["Body"].read() == b"1"
    refusal(lambda: s3.put_object(Bucket="lake", Key="b/x", Body=b"1"))
    assert [(call.action, call.resource, call.allowed_by) for call in access.calls] == [
        ("s3:PutObject", "arn:aws:s3:::lake/a/x", ("data/Put",)),
        ("s3:GetObject", "arn:aws:s3:::lake/a/x", ("read/Get",)),
        ("s3:PutObject", "arn:aws:s3:::lake/b/x", ()),
    ]
    assert unused_actions(read, access.calls) == []


def test_passing_a_role_is_a_permission_of_its_own(
    role: Callable[..., None], runner: Callable[[str], Any]
) -> None:
    passing = {"Sid": "Pass", "Action": "iam:PassRole", "Resource": JOBS}
    service = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    role(glue=policy({"Action": "glue:*"}, {**passing, "Condition": service}))
    job = {"Name": "daily", "Role": JOBS, "Command": {"Name": "glueetl"}}
    error = refusal(lambda: runner("glue").create_job(**job))
    assert f"iam:PassRole on resource: {JOBS}" in error["Message"]
    glue = {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}}
    role(glue=policy({"Action": "glue:*"}, {**passing, "Condition": glue}))
    assert runner("glue").create_job(**job)["Name"] == "daily"


def test_an_explicit_deny_is_told_as_such(
    role: Callable[..., None], runner: Callable[[str], Any]
) -> None:
    role(all=policy({}, {"Effect": "Deny", "Action": "sns:Publish"}))
    error = refusal(lambda: runner("sns").publish(TopicArn="arn:aws:sns:x:1:t", Message="m"))
    assert error["Code"] == "AuthorizationError"
    assert error["Message"].endswith("with an explicit deny in an identity-based policy")


def test_without_enforcement_calls_are_only_recorded(aws: LocalAws) -> None:
    access = Access(enforce=False)
    client = Clients(aws.endpoint_url, access)("s3", IDENTITY, ROLE)
    for _ in range(2):
        client.list_buckets()
    assert [(call.action, call.allowed_by) for call in access.calls] == [("s3:ListBuckets", ())]


def test_the_caller_itself_is_free(aws: LocalAws, admin: Callable[[str], Any]) -> None:
    admin("s3").list_buckets()
    assert aws.calls == []


def test_unused_actions_are_named() -> None:
    document = policy(
        {"Sid": "Jobs", "Action": ["sagemaker:AddTags", "sagemaker:CreateTrainingJob"]},
        {"Sid": "Read", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"},
    )
    assert unused_actions(document, []) == [
        "Jobs: sagemaker:AddTags",
        "Jobs: sagemaker:CreateTrainingJob",
        "Read: s3:GetObject",
    ]
