"""Which permissions a call needs: its IAM action and resources, and the roles that it hands over.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.aws.access_policy import Permission

# Where the service of a client is another one in IAM.
_PREFIXES = {"sagemaker-runtime": "sagemaker", "stepfunctions": "states"}
_ACTIONS = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("s3", "CompleteMultipartUpload"): "PutObject",
    ("s3", "CreateMultipartUpload"): "PutObject",
    ("s3", "DeleteObjects"): "DeleteObject",
    ("s3", "HeadBucket"): "ListBucket",
    ("s3", "HeadObject"): "GetObject",
    ("s3", "ListMultipartUploads"): "ListBucketMultipartUploads",
    ("s3", "ListObjects"): "ListBucket",
    ("s3", "ListObjectsV2"): "ListBucket",
    ("s3", "UploadPart"): "PutObject",
}
# The parameter that names the resource of a call, and the resource; the first that is there counts.
_RESOURCES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "dynamodb": (("TableName", "table/{}"),),
    "emr-serverless": (
        ("jobRunId", "/applications/{applicationId}/jobruns/{jobRunId}"),
        ("applicationId", "/applications/{}"),
    ),
    "events": (("Rule", "rule/{}"), ("Name", "rule/{}")),
    "glue": (("JobName", "job/{}"), ("Name", "job/{}")),
    "lambda": (("FunctionName", "function:{}"),),
    "logs": (
        ("logStreamName", "log-group:{logGroupName}:log-stream:{logStreamName}"),
        ("logGroupName", "log-group:{}:*"),
    ),
    "sagemaker": (
        ("TrainingJobName", "training-job/{}"),
        ("ProcessingJobName", "processing-job/{}"),
        ("TransformJobName", "transform-job/{}"),
        ("HyperParameterTuningJobName", "hyper-parameter-tuning-job/{}"),
        ("ModelPackageName", "model-package/{}"),
        ("ModelPackageGroupName", "model-package-group/{}"),
        ("ModelName", "model/{}"),
        ("PipelineName", "pipeline/{}"),
        ("ResourceArn", "{}"),
    ),
    "secretsmanager": (("SecretId", "secret:{}-aB3dE6"),),
    "sns": (("TopicArn", "{}"),),
    "states": (("stateMachineArn", "{}"), ("executionArn", "{}")),
}
# List calls only filter by what they are given, except for those of something's own parts.
_LISTED = {"HyperParameterTuningJobName", "ResourceArn", "applicationId"}
_ROLES = {"RoleArn", "Role", "ExecutionRoleArn", "executionRoleArn", "roleArn"}
_TAGGED = {
    "emr-serverless": "TagResource",
    "glue": "TagResource",
    "sagemaker": "AddTags",
}
_MAKING = ("Create", "Start", "Update")
_QUEUE = re.compile(r"https?://[^/]+/(\d{12})/([^/]+)")


@dataclass(frozen=True)
class Place:
    """Where the caller is."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """Return a resource's ARN."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def permissions(
    service: str, operation: str, params: Mapping[str, Any], place: Place
) -> list[Permission]:
    """Return all that a call needs: the action itself, tags that it sets, roles that it passes.

    Args:
        service: boto3's name, such as ``stepfunctions``.
        operation: the API's name, such as ``StartExecution``.
        params: the call's parameters.
        place: the caller's account and region.

    """
    prefix = _PREFIXES.get(service, service)
    action = f"{prefix}:{_ACTIONS.get((service, operation), operation)}"
    resources, context = _resources(prefix, operation, params, place)
    needed = [Permission(action, resource, context) for resource in resources]
    tagging = _TAGGED.get(prefix)
    if tagging and (params.get("Tags") or params.get("tags")) and operation.startswith(_MAKING):
        needed += [Permission(f"{prefix}:{tagging}", resource) for resource in resources]
    if service == "s3" and params.get("Tagging") and operation != "PutObjectTagging":
        needed += [Permission("s3:PutObjectTagging", resource) for resource in resources]
    if operation.startswith(_MAKING):
        for role in _roles(params):
            arn = role if ":" in role else f"arn:aws:iam::{place.account}:role/{role}"
            passed = ("iam:PassedToService", f"{prefix}.amazonaws.com")
            needed.append(Permission("iam:PassRole", arn, (passed,)))
    return needed


def _resources(
    prefix: str, operation: str, params: Mapping[str, Any], place: Place
) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    if prefix == "s3":
        return _objects(operation, params)
    if prefix == "sqs" and (found := _QUEUE.fullmatch(params.get("QueueUrl", ""))):
        return [f"arn:aws:sqs:{place.region}:{found[1]}:{found[2]}"], ()
    if operation == "CreateModelPackage" and "ModelPackageGroupName" in params:
        group = params["ModelPackageGroupName"]
        resources = f"model-package-group/{group}", f"model-package/{group}/1"
        return [place.arn(prefix, one) for one in resources], ()
    for name, form in _RESOURCES.get(prefix, ()):
        if name in params and (name in _LISTED or not operation.startswith("List")):
            given = params[name]
            is_arn = isinstance(given, str) and given.startswith("arn:")
            return [
                given if is_arn else place.arn(prefix, form.format(given, **_plain(params)))
            ], ()
    return ["*"], ()


def _objects(
    operation: str, params: Mapping[str, Any]
) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    bucket = f"arn:aws:s3:::{params.get('Bucket', '*')}"
    if operation == "DeleteObjects":
        return [f"{bucket}/{one['Key']}" for one in params["Delete"]["Objects"]], ()
    if "Key" in params:
        return [f"{bucket}/{params['Key']}"], ()
    if operation.startswith("ListObjects"):
        return [bucket], (("s3:prefix", params.get("Prefix", "")),)
    return [bucket], ()


def _plain(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in params.items() if isinstance(value, str)}


def _roles(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in _ROLES and isinstance(inner, str):
                yield inner
            else:
                yield from _roles(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _roles(inner)
