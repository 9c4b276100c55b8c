"""The roles: whom they serve, what they may do, and that a pipeline's template fits onto them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.mwaa import role_access
from airflow_ml_provider.mwaa.doctor_role import execution_findings, job_findings, own_policy
from airflow_ml_provider.mwaa.environment import Environment
from airflow_ml_provider.mwaa.finding import has_errors
from airflow_ml_provider.pipeline import Account, Glue, Pipeline, Processing, SparkTransform
from airflow_ml_provider.targets.cloudformation import template
from airflow_ml_provider.targets.compile import compile_pipeline
from airflow_ml_provider.targets.iam import policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Deploy = Callable[..., dict[str, str]]

KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"
GIVEN = {"SourceBucketName": "source", "KeyArn": KEY}
WHERE = {"region": "eu-central-1", "account_id": "123456789012"}


def statements(role: str) -> Iterator[dict[str, Any]]:
    """All that a role may do, by its inline and its attached policies."""
    iam = boto3.client("iam")
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        yield from document["Statement"]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        policy = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]
        version = iam.get_policy_version(
            PolicyArn=attached["PolicyArn"], VersionId=policy["DefaultVersionId"]
        )
        yield from version["PolicyVersion"]["Document"]["Statement"]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def trust(role: str) -> dict[str, Any]:
    found = boto3.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    (statement,) = found["Statement"]
    return dict(statement)


def name_of(arn: str) -> str:
    return arn.rpartition("/")[2]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    for name in ("daily", "features"):
        (tmp_path / f"{name}.py").write_text("print('hello')\n")
    daily = SparkTransform("daily", script="daily.py", on=Glue(workers=2))
    features = Processing(
        "features", script="features.py", image_uri="python:3", inputs={"daily": daily.output}
    )
    return Pipeline("flights", [daily, features], folder=tmp_path, root="s3://lake/ml")


@pytest.fixture
def _no_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor read the policies, as moto has no simulator of them."""

    def refuse(*_: Any) -> NoReturn:
        error = {"Error": {"Code": "AccessDenied", "Message": ""}}
        raise ClientError(error, "SimulatePrincipalPolicy")

    monkeypatch.setattr(role_access, "_simulated", refuse)


def test_only_the_environment_gets_the_execution_role(deploy: Deploy) -> None:
    made = deploy("roles", **GIVEN, EnvironmentName="prod")
    found = trust(made["ExecutionRoleName"])
    assert found["Principal"] == {"Service": ["airflow.amazonaws.com", "airflow-env.amazonaws.com"]}
    assert found["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:airflow:eu-central-1:123456789012:environment/prod"},
    }


def test_the_environment_may_not_change_what_it_runs(deploy: Deploy) -> None:
    made = deploy("roles", **GIVEN)
    actions = {
        action
        for statement in statements(made["ExecutionRoleName"])
        for action in listed(statement["Action"])
    }
    assert {one for one in actions if one.startswith("s3:")} == {
        "s3:GetObject*",
        "s3:GetBucket*",
        "s3:List*",
        "s3:GetAccountPublicAccessBlock",
    }
    assert not [one for one in actions if one in {"*", "s3:*", "iam:PassRole"}]


def test_only_what_has_no_resource_is_allowed_on_all(deploy: Deploy) -> None:
    made = deploy("roles", **GIVEN)
    open_to_all = {
        action
        for statement in statements(made["ExecutionRoleName"])
        for action in listed(statement["Action"])
        if statement["Resource"] == "*"
    }
    # https://docs.aws.amazon.com/mwaa/latest/userguide/mwaa-create-role.html
    assert open_to_all == {
        "cloudwatch:PutMetricData",
        "logs:DescribeLogGroups",
        "s3:GetAccountPublicAccessBlock",
    }


def test_connections_are_read_where_they_lie_in_secrets_manager(deploy: Deploy) -> None:
    made = deploy("roles", **GIVEN, SecretsBackend="true")
    found = {one["Sid"]: one for one in statements(made["ExecutionRoleName"]) if "Sid" in one}
    assert found["ReadConnections"]["Resource"][0].endswith(":secret:airflow/connections/*")


def test_without_secrets_manager_no_secret_is_read(deploy: Deploy) -> None:
    made = deploy("roles", **GIVEN)
    sids = [one["Sid"] for one in statements(made["ExecutionRoleName"])]
    assert "ReadConnections" not in sids


def test_one_role_serves_all_jobs(deploy: Deploy) -> None:
    made = deploy("roles", **GIVEN)
    assert len({made[f"{kind}RoleArn"] for kind in ("Job", "Glue", "EmrServerless")}) == 1
    assert trust(name_of(made["JobRoleArn"]))["Principal"]["Service"] == [
        "sagemaker.amazonaws.com",
        "glue.amazonaws.com",
        "emr-serverless.amazonaws.com",
    ]


def test_each_service_may_have_its_own_role(deploy: Deploy) -> None:
    made = deploy("roles", **GIVEN, JobRoles="each")
    services = {
        kind: trust(name_of(made[f"{kind}RoleArn"]))["Principal"]["Service"]
        for kind in ("Job", "Glue", "EmrServerless")
    }
    assert services == {
        "Job": "sagemaker.amazonaws.com",
        "Glue": "glue.amazonaws.com",
        "EmrServerless": "emr-serverless.amazonaws.com",
    }


def test_a_job_may_use_the_key_through_s3_and_nothing_else(deploy: Deploy) -> None:
    made = deploy("roles", **GIVEN)
    (found,) = statements(name_of(made["JobRoleArn"]))
    assert found["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert found["Resource"] == KEY
    assert found["Condition"] == {
        "StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}
    }


def test_a_pipelines_template_fits_onto_the_roles(deploy: Deploy, pipeline: Pipeline) -> None:
    made = deploy("roles", **GIVEN)
    account = Account(role_arn=made["JobRoleArn"])
    compiled = compile_pipeline(pipeline, "airflow", account)
    deploy(
        json.dumps(template(compiled.plan, "airflow", {})),
        WorkerRoleName=made["ExecutionRoleName"],
        AttachJobPolicies="true",
    )
    worker = [
        action
        for statement in statements(made["ExecutionRoleName"])
        for action in listed(statement["Action"])
    ]
    assert {"glue:StartJobRun", "sagemaker:CreateProcessingJob", "iam:PassRole"} <= set(worker)
    job = [one for one in statements(name_of(made["JobRoleArn"])) if one["Sid"] == "WriteData"]
    assert job
    written = [place for one in job for place in listed(one["Resource"])]
    assert not [place for place in written if not place.startswith("arn:aws:s3:::lake/ml/flights/")]


@pytest.mark.usefixtures("_no_simulator")
def test_the_doctor_finds_all_that_the_environment_needs(deploy: Deploy) -> None:
    made = deploy("roles", **GIVEN)
    environment = Environment(
        name="ml",
        arn="arn:aws:airflow:eu-central-1:123456789012:environment/ml",
        status="AVAILABLE",
        airflow="3.3.1",
        bucket="source",
        role_arn=made["ExecutionRoleArn"],
        dags="dags",
        files={},
        options={},
        kms_key=KEY,
    )
    needs = {"MWAA": own_policy(environment)}
    found = [*execution_findings(boto3.client("iam"), environment.role_arn, needs)]
    assert not has_errors(found), found


@pytest.mark.usefixtures("_no_simulator")
def test_the_doctor_finds_all_that_the_jobs_need(deploy: Deploy, pipeline: Pipeline) -> None:
    made = deploy("roles", **GIVEN)
    plan = compile_pipeline(pipeline, "airflow", Account(role_arn=made["JobRoleArn"])).plan
    jobs = policies(plan, "airflow", **WHERE)["jobs"]
    iam = boto3.client("iam")
    assert has_errors([*job_findings(iam, jobs)])
    deploy(
        json.dumps(template(plan, "airflow", {})),
        WorkerRoleName=made["ExecutionRoleName"],
        AttachJobPolicies="true",
    )
    found = [*job_findings(iam, jobs)]
    assert not has_errors(found), found
