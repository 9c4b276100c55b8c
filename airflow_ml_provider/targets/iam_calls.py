"""What an orchestrator itself calls on AWS for the nodes of a plan: which action on what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.registry import KINDS
from airflow_ml_provider.jobs.token import MAX_LENGTH, READABLE_LENGTH
from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import Metric, ResourceName, find
from airflow_ml_provider.plan.nodes import Approval, Call, Extract, Invoke, Job, Map
from airflow_ml_provider.targets.iam_arns import (
    called,
    fields_named,
    key_arn,
    listing,
    packages,
    passed_roles,
    prefix_of,
    queue_arn,
    resource_arns,
)
from airflow_ml_provider.targets.iam_kinds import (
    AIRFLOW,
    NOUNS,
    RULES,
    SAGEMAKER,
    STEP_FUNCTIONS,
    job_actions,
    job_resources,
)
from airflow_ml_provider.targets.iam_statements import Grant, Where, allow
from airflow_ml_provider.targets.names import deployed_name
from airflow_ml_provider.targets.step_functions.structure import is_distributed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_ml_provider.plan.nodes import Json, Node, Plan
    from airflow_ml_provider.targets.iam_paths import Paths

_PASSED_TO = ("StringEquals", "iam:PassedToService")
_TUNING_LENGTH = 32  # of a tuning job's name
# What later steps may refer to on SageMaker is what describing the new resource answers.
_DESCRIBED = {
    "create_model": "describe_model",
    "create_model_package": "describe_model_package",
}
_S3_ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket"}


@dataclass(frozen=True)
class Calls:
    """The calls of one plan on one target.

    ``prefixes`` are what the names of each step's jobs begin with on Step Functions.
    """

    plan: Plan
    target: str
    where: Where
    paths: Paths
    prefixes: Mapping[str, str]

    def grants(self) -> Iterator[Grant]:
        """Give what all nodes need."""
        measured = {value.step for value in find([self.plan.nodes], (Metric,))}
        for node in self.plan.all_nodes():
            yield from self.of(node)
            if isinstance(node, Job) and (self.target == AIRFLOW or node.name in measured):
                yield from self._report(node)
        if self.target == AIRFLOW:
            yield from self._staging()

    def of(self, node: Node) -> Iterator[Grant]:
        """Give what one node needs, without those inside it."""
        if isinstance(node, Job):
            yield from self._job(node)
        elif isinstance(node, Call):
            yield from self._call(node)
        elif isinstance(node, Invoke):
            functions = resource_arns(self.where, "lambda", "function:{}", self.text(node.function))
            yield from allow("InvokeFunctions", "lambda", ("InvokeFunction",), functions)
        elif isinstance(node, Extract):
            yield from self.extract(node)
        elif isinstance(node, Approval):
            yield from self._approval(node)
        elif isinstance(node, Map) and self.target == STEP_FUNCTIONS and is_distributed(node):
            yield from self._own_executions()

    def extract(self, node: Extract) -> Iterator[Grant]:
        """Give what writing an extract's files and its history needs."""
        for place in self.paths.places(node.output):
            verbs = ("AbortMultipartUpload", "DeleteObject", "GetObject", "PutObject")
            yield from allow("WriteExtracts", "s3", verbs, [self.where.s3(place)])
            yield listing(self.where, place)
            # IAM has no key for the prefix of this listing.
            bucket = self.where.s3(place.partition("/")[0])
            yield Grant("FindUnfinishedUploads", "s3:ListBucketMultipartUploads", bucket)
        if node.kms_key_id is not None:
            resource = key_arn(self.where, node.kms_key_id)
            yield from allow("EncryptData", "kms", ("Decrypt", "GenerateDataKey"), [resource])
        if node.history is None:
            return
        history = self.text(node.history).removeprefix("s3://")
        # The windows of old runs lie beside it.
        objects = [history, *([f"{history}.runs/*.json"] if node.watermark else [])]
        for one in objects:
            yield from allow("KeepHistory", "s3", ("GetObject", "PutObject"), [self.where.s3(one)])
            # Who may not list is not told that there is none yet.
            yield listing(self.where, one)

    def names(self, step: str, kind: str = "") -> str:
        """Give the pattern of the names of a step's jobs, or of what it creates."""
        if self.target == STEP_FUNCTIONS:
            return f"{self.prefixes[step]}*"
        tuning = kind == "sagemaker_tuning"
        if self.target == SAGEMAKER:
            # The service cuts the step's name where it leaves it no room.
            return f"*-{step[:8]}*" if tuning else "pipelines-*"
        words = re.sub(r"[^a-zA-Z0-9]+", "-", f"{self.plan.name}-{step}").strip("-")
        room = READABLE_LENGTH - (MAX_LENGTH - _TUNING_LENGTH if tuning else 0)
        return f"{words}-*" if len(words) <= room else f"{words[:room].rstrip('-')}*"

    def text(self, value: Any) -> str:
        """Give a field's value, with ``*`` for what only a run knows."""
        if isinstance(value, ResourceName):
            return self.names(value.step)
        return self.paths.pattern(value)

    def _job(self, node: Job) -> Iterator[Grant]:
        kind, request = node.kind, node.request
        names = self.text(request.get("JobName", "")) or self.names(node.name, kind)
        why = "".join(word.capitalize() for word in kind.split("_")) + "Jobs"
        for service, action in job_actions(kind, self.target, request):
            resources = job_resources(
                kind, action, names, request, where=self.where, text=self.text
            )
            yield from allow(why, service, (action,), resources)
        yield from self._passed(kind, request)
        yield from self._volume_keys(request)
        if self.target == AIRFLOW:
            yield from self._logs(kind, names, request)
        elif self.target == STEP_FUNCTIONS and kind in RULES:
            rule = self.where.arn("events", f"rule/{RULES[kind]}")
            verbs = ("DescribeRule", "PutRule", "PutTargets")
            yield from allow("HearOfJobsEnds", "events", verbs, [rule])

    def _staging(self) -> Iterator[Grant]:
        code = self.where.s3(f"{self.paths.root}/code/*".removeprefix("s3://"))
        requests = [one.request for one in self.plan.all_nodes() if isinstance(one, (Job, Call))]
        # The account's tags and key are in its jobs' requests, and the workers use them, too.
        tags = fields_named(requests, "Tags") + fields_named(requests, "tags")
        verbs = ("GetObject", "PutObject", *(("PutObjectTagging",) if tags else ()))
        yield from allow("StageCode", "s3", verbs, [code])
        for key in fields_named(requests, "KmsKeyId"):
            resource = key_arn(self.where, self.text(key))
            yield from allow("EncryptData", "kms", ("Decrypt", "GenerateDataKey"), [resource])

    def _passed(self, kind: str, request: Json) -> Iterator[Grant]:
        for service, role in passed_roles(kind, request):
            resource = self.where.role(self.text(role))
            yield Grant("PassJobRoles", "iam:PassRole", resource, _PASSED_TO, service)

    def _volume_keys(self, request: Json) -> Iterator[Grant]:
        for key in fields_named(request, "VolumeKmsKeyId"):
            resource = key_arn(self.where, self.text(key))
            yield from allow("EncryptVolumes", "kms", ("CreateGrant", "DescribeKey"), [resource])

    def _logs(self, kind: str, names: str, request: Json) -> Iterator[Grant]:
        run = self.text(request.get("applicationId", names))
        for streams in KINDS[kind].logs(run if kind in NOUNS else f"{run}/*", request):
            group = self.where.arn("logs", f"log-group:{streams.group}")
            verbs = ("DescribeLogStreams", "FilterLogEvents")
            yield from allow("FollowLogs", "logs", verbs, [f"{group}:*"])
            stream = f"{group}:log-stream:{streams.prefix}*".replace("**", "*")
            yield from allow("ReadLogs", "logs", ("GetLogEvents",), [stream])

    def _report(self, node: Job) -> Iterator[Grant]:
        if node.report is None:
            return
        folder = self.text(node.outputs[node.report.output])
        file = f"{folder}{node.report.file}".removeprefix("s3://")
        yield Grant("ReadReports", "s3:GetObject", self.where.s3(file))
        for key in fields_named(node.request, "KmsKeyId"):
            resource = key_arn(self.where, self.text(key))
            yield Grant("DecryptReports", "kms:Decrypt", resource)

    def _call(self, node: Call) -> Iterator[Grant]:
        yield from self._one_call(node.service, node.action, node.request)
        if self.target == SAGEMAKER and node.action in _DESCRIBED:
            yield from self._one_call(node.service, _DESCRIBED[node.action], node.request)
        if node.resource is not None:
            yield from self._one_call(node.service, node.resource.describe, node.resource.key)
            yield from self._one_call(node.service, node.resource.create, node.resource.request)

    def _one_call(self, service: str, method: str, request: Json) -> Iterator[Grant]:
        operation = "".join(word.capitalize() for word in method.split("_"))
        prefix = prefix_of(service)
        if service == "s3":
            operation = _S3_ACTIONS.get(operation, operation)
        elif operation == "Invoke":
            operation = "InvokeFunction"
        why = f"Call{prefix.replace('-', ' ').title().replace(' ', '')}"
        resources = tuple(called(service, operation, request, self.where, self.text))
        yield from allow(why, prefix, (operation,), resources)
        if operation.startswith("Create"):
            if request.get("Tags") and service == "sagemaker":
                yield from allow(why, prefix, ("AddTags",), resources)
            yield from self._passed(service, request)

    def _own_executions(self) -> Iterator[Grant]:
        # https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        name = deployed_name(self.plan.name, STEP_FUNCTIONS)
        machine = self.where.arn("states", f"stateMachine:{name}")
        yield Grant("RunItems", "states:StartExecution", machine)
        items = self.where.arn("states", f"execution:{name}/*")
        yield from allow("WatchItems", "states", ("DescribeExecution", "StopExecution"), [items])

    def _approval(self, node: Approval) -> Iterator[Grant]:
        if self.target == AIRFLOW:
            for resource in packages(self.plan, node, self.where, self.paths):
                yield Grant("AwaitApprovals", "sagemaker:DescribeModelPackage", resource)
        else:
            queue = queue_arn(self.where, self.text(node.queue_url))
            yield Grant("AskForApprovals", "sqs:SendMessage", queue)
