"""Compiled pipelines brought to AWS: code to S3, the definition under the pipeline's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.stage import stage
from airflow_ml_provider.jobs.errors import error_code, is_not_found
from airflow_ml_provider.plan.code import Bundle
from airflow_ml_provider.targets.names import deployed_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.targets.compile import Compiled

_MISSING = {"StateMachineDoesNotExist", "ResourceNotFound", "ResourceNotFoundException"}


def deploy(compiled: Compiled, role_arn: str, client: Callable[[str], Any]) -> str:
    """Upload the code, then create or update the state machine or pipeline, and give its ARN.

    :param role_arn: what the orchestrator runs as.
    :param client: gives the boto3 client of a service.
    :raises ValueError: the target has no such thing; Airflow reads its DAGs from files.
    """
    plan = compiled.plan
    if compiled.target == "step-functions":
        service, put = "stepfunctions", _put_state_machine
    elif compiled.target == "sagemaker":
        service, put = "sagemaker", _put_pipeline
    else:
        raise ValueError(f"{plan.name}: {compiled.target} has no definitions on AWS")
    stage(client("s3"), Bundle("", compiled.code), plan.root)
    name = deployed_name(plan.name, compiled.target)
    return put(client(service), name, compiled.text, role_arn)


def deployed_definition(target: str, pipeline: str, client: Callable[[str], Any]) -> str | None:
    """Give the definition of a pipeline that AWS runs; ``None`` if there is none.

    :param client: gives the boto3 client of a service.
    :raises ValueError: the target has no such thing.
    """
    name = deployed_name(pipeline, target)
    if target == "step-functions":
        machines = client("stepfunctions")
        arn = _state_machine_arn(machines, name)
        return arn and str(machines.describe_state_machine(stateMachineArn=arn)["definition"])
    if target != "sagemaker":
        raise ValueError("it has no definitions on AWS; compare with --out")
    try:
        found = client("sagemaker").describe_pipeline(PipelineName=name)
    except Exception as error:
        if _is_missing(error):
            return None
        raise
    return str(found["PipelineDefinition"])


def _put_state_machine(client: Any, name: str, text: str, role_arn: str) -> str:
    arn = _state_machine_arn(client, name)
    if arn is None:
        created = client.create_state_machine(name=name, definition=text, roleArn=role_arn)
        return str(created["stateMachineArn"])
    client.update_state_machine(stateMachineArn=arn, definition=text, roleArn=role_arn)
    return arn


def _state_machine_arn(client: Any, name: str) -> str | None:
    pages = client.get_paginator("list_state_machines").paginate()
    machines = (one for page in pages for one in page["stateMachines"])
    return next((str(one["stateMachineArn"]) for one in machines if one["name"] == name), None)


def _put_pipeline(client: Any, name: str, text: str, role_arn: str) -> str:
    definition = {"PipelineName": name, "PipelineDefinition": text, "RoleArn": role_arn}
    try:
        return str(client.update_pipeline(**definition)["PipelineArn"])
    except Exception as error:
        if not _is_missing(error):
            raise
    return str(client.create_pipeline(**definition)["PipelineArn"])


def _is_missing(error: Exception) -> bool:
    return is_not_found(error) or error_code(error) in _MISSING
