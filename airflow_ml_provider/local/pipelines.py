"""SageMaker pipelines: definitions that are kept, and found again.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.local.create_once import ClientTokens
from airflow_ml_provider.local.pipelines_definition import read_definition
from airflow_ml_provider.local.pipelines_execution import ENDED
from airflow_ml_provider.local.pipelines_execution import KIND as EXECUTION_KIND
from airflow_ml_provider.local.pipelines_executions import Executions
from airflow_ml_provider.local.protocol import AwsError, Call, Identity, Json, Operations
from airflow_ml_provider.local.s3 import DataError, read_text
from airflow_ml_provider.local.sagemaker_jobs import DEFAULT_PAGE, in_time
from airflow_ml_provider.local.store import Job, now, page

if TYPE_CHECKING:
    from airflow_ml_provider.local.cloud import Cloud

KIND = "pipeline"
_SUMMARY = (
    *("PipelineArn", "PipelineName", "PipelineDisplayName", "PipelineDescription", "RoleArn"),
    *("CreationTime", "LastModifiedTime"),
)
_UPDATABLE = (
    *("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration"),
)


def operations(cloud: Cloud) -> Operations:
    """Return the operations of pipelines and of their executions."""
    tokens = ClientTokens()
    executions = Executions(cloud, lambda identity, name: find(cloud, identity, name))
    return {
        ("sagemaker", "CreatePipeline"): lambda call: tokens.once(
            call, "ClientRequestToken", "ValidationException", lambda: _create(cloud, call)
        ),
        ("sagemaker", "UpdatePipeline"): lambda call: _update(cloud, call),
        ("sagemaker", "DescribePipeline"): lambda call: _describe(cloud, call),
        ("sagemaker", "ListPipelines"): lambda call: _list(cloud, call),
        ("sagemaker", "DeletePipeline"): lambda call: tokens.once(
            call, "ClientRequestToken", "ValidationException", lambda: _delete(cloud, call)
        ),
        **executions.operations(),
    }


def find(cloud: Cloud, identity: Identity, name_or_arn: str) -> Job:
    """Return a pipeline.

    Raises:
        AwsError: ``ResourceNotFound``, if there is none of this name.

    """
    name = name_or_arn.rpartition("/")[2]
    found = cloud.store.find(KIND, identity, name)
    if found is None:
        arn = identity.arn("sagemaker", f"pipeline/{name}")
        raise AwsError("ResourceNotFound", f"Pipeline '{arn}' does not exist.")
    return found


def _definition(cloud: Cloud, call: Call) -> str | None:
    text, place = (
        call.params.get(key) for key in ("PipelineDefinition", "PipelineDefinitionS3Location")
    )
    if text and place:
        raise AwsError(
            "ValidationException",
            "Both Pipeline Definition and Pipeline Definition S3 Location shouldn't be present",
        )
    if place:
        # VersionId is taken, but buckets here are read as they are now.
        uri = f"s3://{place['Bucket']}/{place['ObjectKey']}"
        try:
            text = read_text(cloud.clients("s3", call.identity), uri)
        except DataError as error:
            raise AwsError("ValidationException", str(error)) from error
    if text:
        read_definition(text)
    return str(text) if text else None


def _create(cloud: Cloud, call: Call) -> Json:
    name = call.params["PipelineName"]
    text = _definition(cloud, call)
    if not text:
        raise AwsError(
            "ValidationException",
            "Either Pipeline Definition or Pipeline Definition S3 location should be provided",
        )
    arn = call.identity.arn("sagemaker", f"pipeline/{name}")
    job = Job(KIND, name, call.identity, call.params)
    at = now()
    described = {
        "PipelineArn": arn,
        "PipelineName": name,
        "PipelineDisplayName": name,
        **{field: call.params[field] for field in _UPDATABLE if field in call.params},
        "PipelineDefinition": text,
        "PipelineStatus": "Active",
        "CreationTime": at,
        "LastModifiedTime": at,
        "CreatedBy": created_by(call.identity),
        "LastModifiedBy": created_by(call.identity),
    }
    job.change(lambda _: described)
    if cloud.store.add(job):
        raise AwsError(
            "ValidationException",
            "Pipeline names must be unique within an AWS account and region. "
            f"Pipeline with name ({name}) already exists.",
        )
    return {"PipelineArn": arn}


def created_by(identity: Identity) -> Json:
    """Return who made something, as AWS words it."""
    root = f"arn:aws:iam::{identity.account}:root"
    return {"IamIdentity": {"Arn": root, "PrincipalId": identity.account}}


def _update(cloud: Cloud, call: Call) -> Json:
    job = find(cloud, call.identity, call.params["PipelineName"])
    text = _definition(cloud, call)
    changed = {field: call.params[field] for field in _UPDATABLE if field in call.params}
    if text:
        changed["PipelineDefinition"] = text
    job.change(lambda _: {**changed, "LastModifiedTime": now()})
    return {"PipelineArn": job.document["PipelineArn"]}


def _describe(cloud: Cloud, call: Call) -> Json:
    if "PipelineVersionId" in call.params:
        raise AwsError("ValidationException", "the local AWS keeps no versions of pipelines")
    return find(cloud, call.identity, call.params["PipelineName"]).document


def _list(cloud: Cloud, call: Call) -> Json:
    params = call.params
    prefix = params.get("PipelineNamePrefix", "")
    field = "PipelineName" if params.get("SortBy") == "Name" else "CreationTime"
    found = page(
        (
            job
            for job in cloud.store.all(KIND, call.identity)
            if job.name.startswith(prefix)
            and in_time(job.document["CreationTime"], params, "Created")
        ),
        lambda job: job.document[field],
        descending=params.get("SortOrder", "Descending") == "Descending",
        size=params.get("MaxResults", DEFAULT_PAGE),
        token=params.get("NextToken"),
    )
    summaries = []
    for job in found.jobs:
        summary = {key: job.document[key] for key in _SUMMARY if key in job.document}
        last = job.document.get("LastRunTime")
        summaries.append({**summary, **({"LastExecutionTime": last} if last else {})})
    return {"PipelineSummaries": summaries, "NextToken": found.next_token}


def _delete(cloud: Cloud, call: Call) -> Json:
    job = find(cloud, call.identity, call.params["PipelineName"])
    arn = job.document["PipelineArn"]
    running = [
        other.name
        for other in cloud.store.all(EXECUTION_KIND, call.identity)
        if other.document["PipelineArn"] == arn
        and other.document["PipelineExecutionStatus"] not in ENDED
    ]
    if running:
        raise AwsError(
            "ConflictException",
            f"Pipeline '{arn}' has running executions: {', '.join(running)}. Stop them first.",
        )
    cloud.store.remove(job)
    return {"PipelineArn": arn}
