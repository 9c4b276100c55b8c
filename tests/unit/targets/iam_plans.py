"""Nodes of plans, and what their roles are allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_ml_provider.pipeline.step import Report
from airflow_ml_provider.pipeline.values import (
    Dataset,
    History,
    JobField,
    Output,
    ResourceName,
    Run,
)
from airflow_ml_provider.plan.nodes import (
    Call,
    Extract,
    Job,
    Plan,
    Resource,
)
from airflow_ml_provider.targets.iam import policies

ACCOUNT, REGION = "123456789012", "eu-central-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service/jobs"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/model:1"
TARGETS = ("airflow", "step-functions", "sagemaker")
NO_RETRY: dict[str, Any] = {"retry": (), "timeout_seconds": 60}
BUCKET = "arn:aws:s3:::lake"


def plan(*nodes: Any, name: str = "flights", parameters: Any = ()) -> Plan:
    return Plan(
        name=name,
        root="s3://lake/ml",
        folder=Path(),
        keyed_by="interval",
        parameters=parameters,
        nodes=nodes,
    )


def made(target: str, *nodes: Any, **options: Any) -> dict[str, Any]:
    return policies(plan(*nodes, **options), target, region=REGION, account_id=ACCOUNT)


def allowed(policy: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (action, resource)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def execution(target: str, *nodes: Any, **options: Any) -> set[tuple[str, str]]:
    return allowed(made(target, *nodes, **options)["execution"]["policy"])


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def each(service: str, actions: str, *resources: str) -> set[tuple[str, str]]:
    return {(f"{service}:{one}", resource) for one in actions.split() for resource in resources}


def training(**request: Any) -> Job:
    return Job(
        name="train",
        kind="sagemaker_training",
        request={
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": IMAGE},
            "InputDataConfig": [
                {"DataSource": {"S3DataSource": {"S3Uri": Output("features", "train")}}},
                {"DataSource": {"S3DataSource": {"S3Uri": Dataset("days")}}},
            ],
            "OutputDataConfig": {"S3OutputPath": Output("train", "model")},
            "HyperParameters": {
                "sagemaker_submit_directory": "s3://lake/ml/code/0af/source.tar.gz"
            },
            **request,
        },
        outputs={"model": Output("train", "model")},
        **NO_RETRY,
    )


def processing(name: str = "evaluate", **more: Any) -> Job:
    request = {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": IMAGE},
        "ProcessingInputs": [
            {"S3Input": {"S3Uri": JobField("train", ("ModelArtifacts", "S3ModelArtifacts"))}}
        ],
        "ProcessingOutputConfig": {
            "Outputs": [{"S3Output": {"S3Uri": Output(name, "report")}}],
        },
        **more.pop("request", {}),
    }
    return Job(
        name=name,
        kind="sagemaker_processing",
        request=request,
        outputs={"report": Output(name, "report")},
        report=Report("report", "evaluation.json"),
        **NO_RETRY,
        **more,
    )


def glue(**request: Any) -> Job:
    return Job(
        name="daily",
        kind="glue",
        request={
            "JobName": "flights-daily",
            "Arguments": {
                "--scriptLocation": "s3://lake/ml/code/0af/daily.py",
                "--raw": Output("raw", "output"),
                "--days": Dataset("days"),
                "--window": Output("daily", "window"),
                "--date": Run.DATE,
            },
            **request,
        },
        outputs={"window": Output("daily", "window")},
        **NO_RETRY,
    )


DEFINITION = {"Role": "glue-jobs", "Command": {"Name": "glueetl"}}


def emr(application: Any = "00f1") -> Job:
    log = {"enabled": True, "logGroupName": "/spark"}
    return Job(
        name="daily",
        kind="emr_serverless",
        request={
            "applicationId": application,
            "executionRoleArn": ROLE,
            "jobDriver": {
                "sparkSubmit": {
                    "entryPoint": "s3://lake/ml/code/0af/daily.py",
                    "entryPointArguments": ["--out", Output("daily", "window")],
                    "sparkSubmitParameters": "--conf a=b --py-files s3://lake/ml/code/1/a.py,s3://x/y",
                }
            },
            "configurationOverrides": {
                "monitoringConfiguration": {"cloudWatchLoggingConfiguration": log}
            },
        },
        outputs={"window": Output("daily", "window")},
        **NO_RETRY,
    )


def extract(name: str = "raw", **more: Any) -> Extract:
    return Extract(
        name=name,
        conn_id="warehouse",
        query="select 1",
        table=None,
        parameters={},
        columns={},
        output=Output(name, "output"),
        on_empty="continue",
        history=History(name),
        **NO_RETRY,
        **more,
    )


def register(group: Any = "flights", tags: Any = None) -> Call:
    key = {"ModelPackageGroupName": group}
    return Call(
        name="register",
        service="sagemaker",
        action="create_model_package",
        request={**key, "ModelApprovalStatus": "PendingManualApproval"},
        retry=(),
        resource=Resource(
            describe="describe_model_package_group",
            key=key,
            create="create_model_package_group",
            request={**key, **({"Tags": tags} if tags else {})},
        ),
    )


def call(service: str, action: str, **request: Any) -> Call:
    return Call(name="call", service=service, action=action, request=request, retry=())


def model() -> Call:
    return Call(
        name="model",
        service="sagemaker",
        action="create_model",
        request={
            "ModelName": ResourceName("model"),
            "ExecutionRoleArn": f"{ROLE}-model",
            "PrimaryContainer": {
                "Image": IMAGE,
                "ModelDataUrl": JobField("train", ("ModelArtifacts", "S3ModelArtifacts")),
            },
        },
        retry=(),
    )


def transform(name: Any = None) -> Job:
    return Job(
        name="predict",
        kind="sagemaker_transform",
        request={
            "ModelName": name or ResourceName("model"),
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3Uri": Output("features", "test")}}
            },
            "TransformOutput": {"S3OutputPath": Output("predict", "output")},
        },
        outputs={"output": Output("predict", "output")},
        **NO_RETRY,
    )


def tuning() -> Job:
    return Job(
        name="tune",
        kind="sagemaker_tuning",
        request={
            "TrainingJobDefinition": {
                "RoleArn": ROLE,
                "AlgorithmSpecification": {"TrainingImage": IMAGE},
                "OutputDataConfig": {"S3OutputPath": Output("tune", "model")},
            }
        },
        outputs={"model": Output("tune", "model")},
        **NO_RETRY,
    )


def execution_of(kind: str, **request: Any) -> Job:
    return Job(name="other", kind=kind, request=request, **NO_RETRY)


COMPLETE = {
    "sagemaker_training": training(),
    "sagemaker_processing": processing(),
    "sagemaker_transform": transform("m"),
    "sagemaker_tuning": tuning(),
    "glue": glue(Definition=DEFINITION),
    "emr_serverless": emr(),
    "step_functions_execution": execution_of(
        "step_functions_execution", stateMachineArn=arn("states", "stateMachine:m")
    ),
    "sagemaker_pipeline_execution": execution_of("sagemaker_pipeline_execution", PipelineName="p"),
}
