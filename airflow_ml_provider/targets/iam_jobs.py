"""What the jobs of a plan may do on AWS by their own roles: data, code, logs, images, secrets.

https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
https://docs.aws.amazon.com/glue/latest/dg/create-an-iam-role.html
https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/security-iam-runtime-role.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.registry import KINDS
from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import Dataset, History, Output, ResourceName, find
from airflow_ml_provider.plan.nodes import Call, Extract, Job
from airflow_ml_provider.targets.iam_arns import fields_named, key_arn, listing, passed_roles
from airflow_ml_provider.targets.iam_kinds import AIRFLOW
from airflow_ml_provider.targets.iam_statements import Grant, allow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.plan.nodes import Json, Node
    from airflow_ml_provider.targets.iam_calls import Calls
    from airflow_ml_provider.targets.iam_statements import Where

# Airflow's own default of [secrets] connections_prefix.
_CONNECTIONS = "airflow/connections"
_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")
_NETWORK = (
    "CreateNetworkInterface",
    "CreateNetworkInterfacePermission",
    "DeleteNetworkInterface",
    "DeleteNetworkInterfacePermission",
    "DescribeDhcpOptions",
    "DescribeNetworkInterfaces",
    "DescribeSecurityGroups",
    "DescribeSubnets",
    "DescribeVpcs",
)
_GLUE_NETWORK = (
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeRouteTables",
    "DescribeSecurityGroups",
    "DescribeSubnets",
    "DescribeVpcAttribute",
    "DescribeVpcEndpoints",
)
_PULL = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
_WRITE_LOGS = ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")
_INPUTS = {"ProcessingInputs", "InputDataConfig", "TransformInput"}
_OUTPUTS = {"ProcessingOutputConfig", "OutputDataConfig", "TransformOutput"}
_SPARK = ("glue", "emr_serverless")


@dataclass(frozen=True)
class JobRoles:
    """The roles of one plan's jobs. ``calls`` knows what a worker job calls in its place."""

    calls: Calls

    @property
    def where(self) -> Where:
        """The account and region."""
        return self.calls.where

    def grants(self) -> Iterator[tuple[str, str, Grant]]:
        """Give (role's ARN, service that assumes it, what it needs) for all jobs and models."""
        for node in self.calls.plan.all_nodes():
            yield from self._node(node)
            if isinstance(node, Job) and isinstance(node.work, Job):
                yield from self._node(node.work)

    def _node(self, node: object) -> Iterator[tuple[str, str, Grant]]:
        if isinstance(node, Job):
            for service, role in self._roles(node):
                for grant in self._job(node):
                    yield role, service, grant
        elif isinstance(node, Call):
            for service, role in passed_roles(node.service, node.request):
                for grant in self._model(node.request):
                    yield self.where.role(self.calls.paths.pattern(role)), service, grant

    def _roles(self, node: Job) -> Iterator[tuple[str, str]]:
        """Give the roles a job runs as; a transform job runs as its model."""
        models = {name.step for name in find([node.request.get("ModelName")], (ResourceName,))}
        requests = [
            (other.service, other.request)
            for other in self.calls.plan.all_nodes()
            if isinstance(other, Call) and other.name in models
        ]
        for kind, request in [(node.kind, node.request), *requests]:
            for service, role in passed_roles(kind, request):
                yield service, self.where.role(self.calls.paths.pattern(role))

    def _job(self, node: Job) -> Iterator[Grant]:
        yield from self._data(node)
        yield from self._images(node.request)
        yield from self._log(node)
        yield from self._keys(node.request)
        if fields_named(node.request, "VpcConfig"):
            yield from allow("JoinNetwork", "ec2", _NETWORK, ["*"])
        yield from self._connections(node.request)
        if node.work is not None:
            yield from self._work(node.work)

    def _connections(self, request: Json) -> Iterator[Grant]:
        # https://docs.aws.amazon.com/glue/latest/dg/create-service-policy.html
        names = (request.get("Definition") or {}).get("Connections", {}).get("Connections", ())
        if names:
            connections = [self.where.arn("glue", f"connection/{name}") for name in names]
            catalog = self.where.arn("glue", "catalog")
            yield from allow("ReadNetwork", "glue", ("GetConnection",), [catalog, *connections])
            yield from allow("JoinNetwork", "ec2", _GLUE_NETWORK, ["*"])
            interfaces = self.where.arn("ec2", "network-interface/*")
            yield from allow("MarkNetwork", "ec2", ("CreateTags", "DeleteTags"), [interfaces])

    def _model(self, request: Json) -> Iterator[Grant]:
        for place in self.calls.paths.places(request):
            yield from self._read(place)
        yield from self._images(request)
        yield from self._log_group("/aws/sagemaker/TransformJobs")
        yield from self._keys(request)
        if request.get("VpcConfig"):
            yield from allow("JoinNetwork", "ec2", _NETWORK, ["*"])

    def _data(self, node: Job) -> Iterator[Grant]:
        own = set(find([*node.outputs.values()], (Output,)))
        spark = node.kind in _SPARK and node.work is None
        for keys, value in _leaves(node.request):
            if find([value], (History,)):
                continue  # what an extract does with it its own grants say
            outputs, datasets = find([value], (Output,)), find([value], (Dataset,))
            writes = bool(_OUTPUTS.intersection(keys) or own.intersection(outputs))
            for place in self.calls.paths.places(value):
                if writes:
                    yield from self._write(place, spark=spark)
                    continue
                yield from self._read(place)
                # A script may read a shared dataset or write its part of it.
                if datasets and not _INPUTS.intersection(keys):
                    yield from self._write(place, spark=True)

    def _read(self, place: str) -> Iterator[Grant]:
        yield Grant("ReadData", "s3:GetObject", self.where.s3(place))
        yield listing(self.where, place)

    def _write(self, place: str, *, spark: bool) -> Iterator[Grant]:
        verbs = ["AbortMultipartUpload", "PutObject"]
        if spark:
            # Spark looks at what is there, replaces it, and marks folders beside them.
            verbs += ["DeleteObject", "GetObject"]
            yield listing(self.where, place)
            marker = f"{place.removesuffix('*').rstrip('/')}_$folder$"
            yield Grant("WriteData", "s3:PutObject", self.where.s3(marker))
        yield from allow("WriteData", "s3", verbs, [self.where.s3(place)])

    def _images(self, request: Json) -> Iterator[Grant]:
        for field in ("ImageUri", "TrainingImage", "Image"):
            for value in fields_named(request, field):
                found = _IMAGE.match(self.calls.paths.pattern(value))
                if found is not None:
                    place = replace(self.where, account_id=found[1], region=found[2])
                    repository = place.arn("ecr", f"repository/{found[3]}")
                    yield from allow("PullImages", "ecr", _PULL, [repository])
                    yield Grant("LogInToImages", "ecr:GetAuthorizationToken", "*")

    def _log(self, node: Job) -> Iterator[Grant]:
        for streams in KINDS[node.kind].logs("*", node.request):
            yield from self._log_group(streams.group)
        namespace = {"glue": "Glue", "emr_serverless": ""}.get(node.kind, "/aws/sagemaker/*")
        if namespace:
            test = ("StringLike", "cloudwatch:namespace")
            yield Grant("PutMetrics", "cloudwatch:PutMetricData", "*", test, namespace)

    def _log_group(self, name: str) -> Iterator[Grant]:
        group = self.where.arn("logs", f"log-group:{name}")
        yield from allow("WriteLogs", "logs", _WRITE_LOGS, [f"{group}:*"])

    def _keys(self, request: Json) -> Iterator[Grant]:
        for key in fields_named(request, "KmsKeyId"):
            resource = key_arn(self.where, self.calls.paths.pattern(key))
            yield from allow("EncryptData", "kms", ("Decrypt", "GenerateDataKey"), [resource])

    def _work(self, node: Node) -> Iterator[Grant]:
        """Give what a worker job does in its orchestrator's place: just what Airflow does."""
        yield from replace(self.calls, target=AIRFLOW).of(node)
        if isinstance(node, Extract):
            name = f"secret:{_CONNECTIONS}/{node.conn_id}-??????"
            secret = self.where.arn("secretsmanager", name)
            yield Grant("ReadConnections", "secretsmanager:GetSecretValue", secret)


def _leaves(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give each scalar of a request with the names of the fields that it lies in."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*keys, key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item, keys)
    else:
        yield keys, value
