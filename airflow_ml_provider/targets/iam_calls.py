"""What an orchestrator itself calls on AWS for the nodes of a plan: which action on what.

https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html
https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-access.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.registry import KINDS
from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import Metric, find
from airflow_ml_provider.plan.nodes import Approval, Call, Extract, Invoke, Job, Map
from airflow_ml_provider.targets.iam_statements import Grant, Where, allow
from airflow_ml_provider.targets.names import deployed_name
from airflow_ml_provider.targets.step_functions.structure import is_distributed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.plan.nodes import Json, Node, Plan
    from airflow_ml_provider.targets.iam_paths import Paths

AIRFLOW, STEP_FUNCTIONS, SAGEMAKER = "airflow", "step-functions", "sagemaker"
_PASSED_TO = ("StringEquals", "iam:PassedToService")
_NOUNS = {
    "sagemaker_training": ("Training", "training-job"),
    "sagemaker_processing": ("Processing", "processing-job"),
    "sagemaker_transform": ("Transform", "transform-job"),
    "sagemaker_tuning": ("HyperParameterTuning", "hyper-parameter-tuning-job"),
}
# The rule by which Step Functions hears that a job of this kind has ended.
_RULES = {
    "sagemaker_training": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker_processing": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    "sagemaker_transform": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "sagemaker_tuning": "StepFunctionsGetEventsForSageMakerTuningJobsRule",
    "emr_serverless": "StepFunctionsGetEventsForEMRServerlessJobRule",
}
_GLUE_RUNS = {"BatchStopJobRun", "GetJobRun", "GetJobRuns", "StartJobRun"}
# How long the readable beginning of a job's name may be at least: (target, tuning job).
_ROOM = {
    (AIRFLOW, False): 41,
    (AIRFLOW, True): 10,
    (STEP_FUNCTIONS, False): 27,
    (STEP_FUNCTIONS, True): 16,
}
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
_NAMED: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "dynamodb": (("TableName", ("table/{}",)),),
    "events": (("Name", ("rule/{}",)),),
    "glue": (("JobName", ("job/{}",)),),
    "lambda": (("FunctionName", ("function:{}",)),),
    "sagemaker": (
        ("TrainingJobName", ("training-job/{}",)),
        ("ProcessingJobName", ("processing-job/{}",)),
        ("TransformJobName", ("transform-job/{}",)),
        ("HyperParameterTuningJobName", ("hyper-parameter-tuning-job/{}",)),
        ("ModelPackageGroupName", ("model-package-group/{}",)),
        ("EndpointName", ("endpoint/{}",)),
        ("EndpointConfigName", ("endpoint-config/{}",)),
        ("PipelineName", ("pipeline/{}",)),
        ("ModelName", ("model/{}",)),
    ),
    "secretsmanager": (("SecretId", ("secret:{}-??????",)),),
}
_DESCRIBED = {
    "create_model": "describe_model",
    "create_model_package": "describe_model_package",
}
_PACKAGES = {"CreateModelPackage", "DescribeModelPackage"}
_S3_ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket"}


@dataclass(frozen=True)
class Calls:
    """The calls of one plan on one target."""

    plan: Plan
    target: str
    where: Where
    paths: Paths

    def grants(self) -> Iterator[Grant]:
        """Give what all nodes need."""
        measured = {value.step for value in find([self.plan.nodes], (Metric,))}
        for node in self.plan.all_nodes():
            yield from self.of(node)
            if isinstance(node, Job) and (self.target == AIRFLOW or node.name in measured):
                yield from self._report(node)
        if self.target == AIRFLOW:
            code = self.where.s3(f"{self.paths.root}/code/*".removeprefix("s3://"))
            yield from allow("StageCode", "s3", ("GetObject", "PutObject"), [code])

    def of(self, node: Node) -> Iterator[Grant]:
        """Give what one node needs, without those inside it."""
        if isinstance(node, Job):
            yield from self._job(node)
        elif isinstance(node, Call):
            yield from self._call(node)
        elif isinstance(node, Invoke):
            function = self._function(self.paths.pattern(node.function))
            yield from allow("InvokeFunctions", "lambda", ("InvokeFunction",), [function])
        elif isinstance(node, Extract):
            yield from self.extract(node)
        elif isinstance(node, Approval):
            yield from self._approval(node)
        elif isinstance(node, Map) and self.target == STEP_FUNCTIONS and is_distributed(node):
            yield from self._own_executions()

    def extract(self, node: Extract) -> Iterator[Grant]:
        """Give what writing an extract's files needs."""
        for place in self.paths.places(node.output):
            verbs = ("AbortMultipartUpload", "DeleteObject", "PutObject")
            yield from allow("WriteExtracts", "s3", verbs, [self.where.s3(place)])
            yield listing(self.where, place)

    def names(self, step: str, kind: str = "") -> str:
        """Give the pattern of the names of a step's jobs, or of what it creates."""
        words = re.sub(r"[^a-zA-Z0-9]+", "-", f"{self.plan.name}-{step}").strip("-")
        tuning = kind == "sagemaker_tuning"
        if self.target == SAGEMAKER:
            # The service cuts the step's name where it leaves it no room.
            return f"*-{step[:8]}*" if tuning else "pipelines-*"
        room = _ROOM[self.target, tuning] - (5 if step in self.paths.mapped else 0)
        # Where it does not fit, its end is cut or replaced by a digest.
        return f"{words}-*" if len(words) <= room else f"{words[: room - 5].rstrip('-')}*"

    def _job(self, node: Job) -> Iterator[Grant]:
        kind, request = node.kind, node.request
        service = KINDS[kind].service
        actions = self._actions(kind, request)
        names = self.paths.pattern(request.get("JobName", "")) or self.names(node.name, kind)
        why = "".join(word.capitalize() for word in kind.split("_")) + "Jobs"
        for action in sorted(actions):
            for resource in self._resources(kind, action, names, request):
                yield Grant(why, f"{service}:{action}", resource)
        yield from self._passed(kind, request)
        yield from self._volume_keys(request)
        if self.target == AIRFLOW:
            yield from self._logs(kind, names, request)
        elif self.target == STEP_FUNCTIONS and kind in _RULES:
            rule = self.where.arn("events", f"rule/{_RULES[kind]}")
            verbs = ("DescribeRule", "PutRule", "PutTargets")
            yield from allow("HearOfJobsEnds", "events", verbs, [rule])

    def _actions(self, kind: str, request: Json) -> set[str]:
        own = {action.partition(":")[2] for action in KINDS[kind].actions}
        tagged = bool(request.get("Tags") or request.get("tags"))
        if kind in _NOUNS:
            if self.target == AIRFLOW:
                return own | ({"AddTags"} if tagged else set())
            # Both services tag what they start.
            verbs = {one for one in own if not one.startswith("List")} | {"AddTags"}
            if self.target == STEP_FUNCTIONS:
                verbs |= {"ListTags"}
            elif kind == "sagemaker_tuning":
                verbs |= {"ListTrainingJobsForHyperParameterTuningJob"}
            return verbs
        if kind == "glue":
            definition = request.get("Definition") or {}
            tagged = bool(definition.get("Tags"))
            if not definition:
                own &= _GLUE_RUNS
            elif self.target == STEP_FUNCTIONS:
                own -= {"GetJob"}
        elif kind == "emr_serverless" and self.target != AIRFLOW:
            own -= {"ListJobRuns"}
        return own | ({"TagResource"} if tagged else set())

    def _resources(self, kind: str, action: str, names: str, request: Json) -> Iterator[str]:
        if kind in _NOUNS and action != f"List{_NOUNS[kind][0]}Jobs":
            yield from sagemaker_arns(self.where, f"{_NOUNS[kind][1]}/{names}")
        elif kind == "glue":
            yield self.where.arn("glue", f"job/{names}")
        elif kind == "emr_serverless":
            application = f"/applications/{self.paths.pattern(request.get('applicationId', '*'))}"
            runs = f"{application}/jobruns/*"
            if action in {"CancelJobRun", "GetJobRun", "TagResource"}:
                yield self.where.arn("emr-serverless", runs)
            if action in {"StartJobRun", "ListJobRuns", "TagResource"}:
                yield self.where.arn("emr-serverless", application)
        else:
            yield "*"

    def _passed(self, kind: str, request: Json) -> Iterator[Grant]:
        for service, role in passed_roles(kind, request):
            resource = self.where.role(self.paths.pattern(role))
            yield Grant("PassJobRoles", "iam:PassRole", resource, _PASSED_TO, service)

    def _volume_keys(self, request: Json) -> Iterator[Grant]:
        for key in fields_named(request, "VolumeKmsKeyId"):
            resource = key_arn(self.where, self.paths.pattern(key))
            yield from allow("EncryptVolumes", "kms", ("CreateGrant", "DescribeKey"), [resource])

    def _logs(self, kind: str, names: str, request: Json) -> Iterator[Grant]:
        run = self.paths.pattern(request.get("applicationId", names))
        for streams in KINDS[kind].logs(run if kind in _NOUNS else f"{run}/*", request):
            group = self.where.arn("logs", f"log-group:{streams.group}")
            verbs = ("DescribeLogStreams", "FilterLogEvents")
            yield from allow("FollowLogs", "logs", verbs, [f"{group}:*"])
            stream = f"{group}:log-stream:{streams.prefix}*".replace("**", "*")
            yield from allow("ReadLogs", "logs", ("GetLogEvents",), [stream])

    def _report(self, node: Job) -> Iterator[Grant]:
        if node.report is None:
            return
        folder = self.paths.pattern(node.outputs[node.report.output])
        file = f"{folder}{node.report.file}".removeprefix("s3://")
        yield Grant("ReadReports", "s3:GetObject", self.where.s3(file))
        for key in fields_named(node.request, "KmsKeyId"):
            resource = key_arn(self.where, self.paths.pattern(key))
            yield Grant("DecryptReports", "kms:Decrypt", resource)

    def _call(self, node: Call) -> Iterator[Grant]:
        yield from self._one_call(node.service, node.action, node.request)
        if self.target == SAGEMAKER and node.action in _DESCRIBED:
            # What later steps may refer to is what describing it answers.
            yield from self._one_call(node.service, _DESCRIBED[node.action], node.request)
        if node.resource is not None:
            yield from self._one_call(node.service, node.resource.describe, node.resource.key)
            yield from self._one_call(node.service, node.resource.create, node.resource.request)

    def _one_call(self, service: str, method: str, request: Json) -> Iterator[Grant]:
        operation = "".join(word.capitalize() for word in method.split("_"))
        prefix = _PREFIXES.get(service, service)
        if service == "s3":
            operation = _S3_ACTIONS.get(operation, operation)
        elif operation == "Invoke":
            operation = "InvokeFunction"
        why = f"Call{prefix.replace('-', ' ').title().replace(' ', '')}"
        resources = tuple(self._called(service, operation, request))
        yield from allow(why, prefix, (operation,), resources)
        if operation.startswith("Create"):
            if request.get("Tags") and service == "sagemaker":
                yield from allow(why, prefix, ("AddTags",), resources)
            yield from self._passed(service, request)

    def _called(self, service: str, operation: str, request: Json) -> Iterator[str]:
        where, text = self.where, self.paths.pattern
        if service == "s3" and "Bucket" in request:
            key = f"/{text(request['Key'])}" if "Key" in request else ""
            yield where.s3(f"{text(request['Bucket'])}{key}")
            return
        if service == "sqs" and "QueueUrl" in request:
            yield queue_arn(where, text(request["QueueUrl"]))
            return
        if operation in _PACKAGES and "ModelPackageGroupName" in request:
            group = text(request["ModelPackageGroupName"])
            yield from sagemaker_arns(where, f"model-package/{group}/*")
            if operation == "DescribeModelPackage":
                return
        for field, forms in _NAMED.get(service, ()):
            if field in request:
                name = self._resource_name(field, request)
                if name.startswith("arn:"):
                    yield name
                    return
                for form in forms:
                    yield from sagemaker_arns(where, form.format(name), service=service)
                return
        prefix = _PREFIXES.get(service, service)
        arns = [text(value) for key, value in request.items() if key.lower().endswith("arn")]
        own = [arn for arn in arns if arn == "*" or f":{prefix}:" in arn]
        # A parameter's value may name anything of that service, but of this account and region.
        yield from [where.arn(prefix, "*") if arn == "*" else arn for arn in own] or ["*"]

    def _resource_name(self, field: str, request: Json) -> str:
        value = request[field]
        step = getattr(value, "step", None)
        if field == "ModelName" and step is not None:
            return self.names(step)
        return self.paths.pattern(value)

    def _function(self, name: str) -> str:
        return name if name.startswith("arn:") else self.where.arn("lambda", f"function:{name}")

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
            queue = queue_arn(self.where, self.paths.pattern(node.queue_url))
            yield Grant("AskForApprovals", "sqs:SendMessage", queue)


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
            yield from sagemaker_arns(where, f"model-package/{group}/*")


def sagemaker_arns(where: Where, resource: str, *, service: str = "sagemaker") -> tuple[str, ...]:
    """Give a resource's ARN; SageMaker may write the name in lower case there."""
    plain = where.arn(service, resource)
    lower = where.arn(service, resource.lower() if service == "sagemaker" else resource)
    return tuple(dict.fromkeys((plain, lower)))


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
