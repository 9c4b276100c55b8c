"""The ARNs of what requests name: narrowed as far as a plan knows the names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.plan.nodes import Call
from airflow_ml_provider.targets.iam_statements import Grant, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_ml_provider.plan.nodes import Approval, Json, Plan
    from airflow_ml_provider.targets.iam_paths import Paths

# boto3's names of services that IAM spells otherwise.
_PREFIXES = {
    "bedrock-agent": "bedrock",
    "bedrock-runtime": "bedrock",
    "emr": "elasticmapreduce",
    "sagemaker-featurestore-runtime": "sagemaker",
    "sagemaker-metrics": "sagemaker",
    "sagemaker-runtime": "sagemaker",
    "sesv2": "ses",
    "stepfunctions": "states",
}
# Where in a request the resource of a call is named; the first field that is there counts.
_NAMED: Mapping[str, Mapping[str, str]] = {
    "dynamodb": {"TableName": "table/{}"},
    "events": {"Name": "rule/{}"},
    "glue": {"JobName": "job/{}"},
    "lambda": {"FunctionName": "function:{}"},
    "sagemaker": {
        "TrainingJobName": "training-job/{}",
        "ProcessingJobName": "processing-job/{}",
        "TransformJobName": "transform-job/{}",
        "HyperParameterTuningJobName": "hyper-parameter-tuning-job/{}",
        "ModelPackageGroupName": "model-package-group/{}",
        "EndpointName": "endpoint/{}",
        "EndpointConfigName": "endpoint-config/{}",
        "PipelineName": "pipeline/{}",
        "ModelName": "model/{}",
    },
    "secretsmanager": {"SecretId": "secret:{}-??????"},
}


def prefix_of(service: str) -> str:
    """Give what IAM calls a service of boto3."""
    return _PREFIXES.get(service, service)


def called(
    service: str, operation: str, request: Json, where: Where, text: Callable[[Any], str]
) -> Iterator[str]:
    """Give the ARNs of what a call is about, ``*`` where nothing is known.

    ``text`` gives a field's value, with ``*`` for what only a run knows.
    """
    if service == "s3" and "Bucket" in request:
        key = f"/{text(request['Key'])}" if "Key" in request else ""
        yield where.s3(f"{text(request['Bucket'])}{key}")
    elif service == "sqs" and "QueueUrl" in request:
        yield queue_arn(where, text(request["QueueUrl"]))
    else:
        yield from _named(service, operation, request, where, text)


def _named(
    service: str, operation: str, request: Json, where: Where, text: Callable[[Any], str]
) -> Iterator[str]:
    packages = operation in {"CreateModelPackage", "DescribeModelPackage"}
    if packages and "ModelPackageGroupName" in request:
        group = text(request["ModelPackageGroupName"])
        yield from resource_arns(where, service, f"model-package/{group}/*")
        if operation == "DescribeModelPackage":
            return
    for field, form in _NAMED.get(service, {}).items():
        if field in request:
            yield from resource_arns(where, service, form, text(request[field]))
            return
    prefix = prefix_of(service)
    arns = [text(value) for key, value in request.items() if key.lower().endswith("arn")]
    own = [arn for arn in arns if arn == "*" or f":{prefix}:" in arn]
    # A parameter's value may name anything of that service, but of this account and region.
    yield from [where.arn(prefix, "*") if arn == "*" else arn for arn in own] or ["*"]


def listing(where: Where, place: str) -> Grant:
    """Give the listing of one prefix of a bucket; ``place`` is ``<bucket>/<prefix>*``."""
    bucket, _, prefix = place.partition("/")
    return Grant(
        "ListPrefixes",
        "s3:ListBucket",
        where.s3(bucket),
        ("StringLike", "s3:prefix"),
        prefix or "*",
    )


def passed_roles(kind: str, request: Json) -> Iterator[tuple[str, Any]]:
    """Give (service principal, role) of each role that a request hands over."""
    if kind == "glue":
        role = (request.get("Definition") or {}).get("Role")
        found, service = [role], "glue"
    elif kind == "emr_serverless":
        found, service = [request.get("executionRoleArn")], "emr-serverless"
    else:
        definition = request.get("TrainingJobDefinition") or {}
        found = [one.get("RoleArn") for one in (request, definition)]
        found.append(request.get("ExecutionRoleArn"))
        service = "states" if kind == "stepfunctions" else "sagemaker"
    yield from ((f"{service}.amazonaws.com", role) for role in found if role)


def packages(plan: Plan, node: Approval, where: Where, paths: Paths) -> Iterator[str]:
    """Give the ARNs of the packages that an approval may be about."""
    for other in plan.all_nodes():
        if other.name == node.model and isinstance(other, Call):
            group = paths.pattern(other.request.get("ModelPackageGroupName", "*"))
            yield from resource_arns(where, "sagemaker", f"model-package/{group}/*")


def resource_arns(where: Where, service: str, form: str, name: str = "") -> tuple[str, ...]:
    """Give the ARN of a resource by its name or ARN; SageMaker may write names in lower case."""
    if name.startswith("arn:"):
        return (name,)
    resource = form.format(name)
    spellings = (resource, resource.lower()) if service == "sagemaker" else (resource,)
    return tuple(dict.fromkeys(where.arn(service, one) for one in spellings))


def queue_arn(where: Where, url: str) -> str:
    """Give the ARN of a queue by its URL: ``https://<host>/<account>/<name>``."""
    found = re.fullmatch(r"https?://[^/]+/(\d{12})/([\w.*-]+)", url)
    if found is None:
        return where.arn("sqs", "*")
    region = re.match(r"https://sqs\.([a-z0-9-]+)\.", url)
    place = Where(where.partition, region[1] if region else where.region, found[1])
    return place.arn("sqs", found[2])


def key_arn(where: Where, key: str) -> str:
    """Give the ARN of a KMS key by its id or ARN; an alias may mean any key."""
    if key.startswith("arn:") and ":alias/" not in key:
        return key
    return where.arn("kms", f"key/{'*' if 'alias/' in key else key}")


def fields_named(request: Any, name: str) -> list[Any]:
    """List the values of all fields of a request with this name, at any depth."""
    if isinstance(request, Mapping):
        own = [request[name]] if request.get(name) else []
        return own + [one for value in request.values() for one in fields_named(value, name)]
    if isinstance(request, (list, tuple)):
        return [one for value in request for one in fields_named(value, name)]
    return []
