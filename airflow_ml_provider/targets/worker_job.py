"""The processing job that does a node's work in the place of an orchestrator that can't."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.values import Output, Run
from airflow_ml_provider.plan.build import without_role
from airflow_ml_provider.plan.extracts import extract_work
from airflow_ml_provider.plan.nodes import Call, Extract, Job, Map
from airflow_ml_provider.plan.place import Place, merged, present
from airflow_ml_provider.plan.sagemaker import vpc
from airflow_ml_provider.plan.worker_step import modules, step_file, written
from airflow_ml_provider.targets.finding import LOWERED, REFUSED, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import TypeAlias

    from airflow_ml_provider.pipeline.account import Account
    from airflow_ml_provider.plan.nodes import Json, Plan

    Lowered: TypeAlias = "Extract | Job | Call"

INSTANCE_TYPE = "ml.t3.medium"
VOLUME_SIZE_GB = 20
_INPUT = "/opt/ml/processing/input"
_MESSAGE = "/opt/ml/output/message"
_CALL_SECONDS = 900
# The Glue run ends by its own Timeout first, which says more; it may have to queue before.
_QUEUE_SECONDS = 1800
_END_SECONDS = 120
_MAX_SECONDS = 777_600  # of a processing job: CreateProcessingJob's StoppingCondition


class WorkerJobs:
    """Makes the worker jobs of one plan; ``findings`` has what is to be said, by node."""

    def __init__(self, plan: Plan, account: Account) -> None:
        self.plan = plan
        self.account = account
        self._place = Place(account, job_prefix="", outputs={})
        self.findings: dict[str, list[Finding]] = {}
        self._modules = modules()
        self._mapped = plan.mapped
        nodes = list(plan.all_nodes())
        self._maps = {node.name: node for node in nodes if isinstance(node, Map)}
        extracts = [node.job for node in nodes if isinstance(node, Extract)]
        processing = [
            node.request
            for node in nodes
            if isinstance(node, Job) and node.kind == "sagemaker_processing"
        ]
        self._extract_image = next(filter(None, map(_image_of, extracts)), "")
        # What the account leaves out is taken from a job of the plan.
        self._like: Json = next(filter(_image_of, [*extracts, *processing]), {})

    def job(self, node: Lowered) -> Job:
        """Make the job of one node."""
        feature, what, work = _work(node)
        identity: list[Any] = [self.plan.name, node.name, Run.ID]
        if node.name in self._mapped:
            # Its address holds the index of the item.
            identity.append(Output(node.name, "run"))
        step = written({"step": node.name, "identity": identity, **work}, self._maps)
        request = self._request(node, step.environment, step_file(step.work))
        self.findings[node.name] = list(self._judged(node, feature, what, request, step.problems))
        return Job(
            name=node.name,
            after=node.after,
            kind="sagemaker_processing",
            request=request,
            retry=node.retry,
            fallback=node.fallback,
            timeout_seconds=_CALL_SECONDS if isinstance(node, Call) else node.timeout_seconds,
            outputs=_outputs(node),
            report=node.report if isinstance(node, Job) else None,
            work=replace(node, fallback=()),
        )

    def _request(self, node: Lowered, environment: Json, step: Any) -> dict[str, Any]:
        own = node.job if isinstance(node, Extract) else {}
        request = merged(
            {
                "RoleArn": self.account.role_arn or self._like.get("RoleArn", ""),
                "AppSpecification": {
                    "ContainerEntrypoint": ["python3", f"{_INPUT}/worker/run.py"],
                    "ContainerArguments": [f"{_INPUT}/step/step.json", _MESSAGE],
                },
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceType": INSTANCE_TYPE,
                        "InstanceCount": 1,
                        "VolumeSizeInGB": VOLUME_SIZE_GB,
                    }
                },
                "StoppingCondition": {"MaxRuntimeInSeconds": _seconds(node)},
                **present(NetworkConfig=self._network(), Tags=self._tags()),
            },
            {key: value for key, value in own.items() if value},
        )
        inputs = {"worker": self._modules, "step": step}
        return merged(
            request,
            {
                "AppSpecification": {"ImageUri": self._image(node)},
                "ProcessingInputs": [
                    *own.get("ProcessingInputs", ()),
                    *(_input(name, uri) for name, uri in inputs.items()),
                ],
                **_report_output(node),
                "Environment": environment,
            },
        )

    def _image(self, node: Lowered) -> str:
        given = self.account.worker_image_uri
        if isinstance(node, Extract):
            return _image_of(node.job) or given or self._extract_image
        return given or _image_of(self._like)

    def _network(self) -> Json:
        like = self._like.get("NetworkConfig", {}).get("VpcConfig")
        return present(VpcConfig=vpc(self._place) or like)

    def _tags(self) -> Any:
        return self._place.tag_list() or self._like.get("Tags")

    def _judged(
        self,
        node: Lowered,
        feature: str,
        what: str,
        request: Json,
        problems: tuple[str, ...],
    ) -> Iterator[Finding]:
        reasons = [f"{problem}; a processing job gets it as a variable" for problem in problems]
        image = request["AppSpecification"]["ImageUri"]
        if not image:
            own = "give SqlExtract(image_uri=...) or " if isinstance(node, Extract) else ""
            reasons.append(
                f"it runs in a processing job, whose image is missing; {own}configure "
                "`worker_image_uri`"
            )
        if isinstance(node, Extract) and node.on_empty == "skip":
            reasons.append(
                "on_empty='skip' would have to skip what follows; give 'continue' or 'fail'"
            )
        alone = () if isinstance(node, Extract) else (replace(node, fallback=()),)
        if without_role(replace(self.plan, nodes=alone)):
            reasons.append("role_arn: missing; give it to the step or configure `role_arn`")
        for reason in reasons:
            yield Finding(node.name, feature, REFUSED, reason)
        if not reasons:
            machine = request["ProcessingResources"]["ClusterConfig"]["InstanceType"]
            yield Finding(
                node.name, feature, LOWERED, f"a processing job on {machine} {what} ({image})"
            )
        if isinstance(node, Job) and node.cache:
            # What tells its executions apart is in the request that a cache would compare.
            yield Finding(node.name, "cache", LOWERED, "the job runs in every execution")


def _work(node: Lowered) -> tuple[str, str, dict[str, Any]]:
    """Give the feature, what the job does about it, and that as JSON."""
    if isinstance(node, Extract):
        return "extract", "runs the query", {"extract": extract_work(node)}
    if isinstance(node, Job):
        work = {"request": node.request, "seconds": _seconds(node) - _END_SECONDS}
        return "glue job", "starts the Glue run and waits for it", {"glue": work}
    resource = node.resource
    work = {
        "service": node.service,
        "action": node.action,
        "request": node.request,
        "resource": resource
        and {field.name: getattr(resource, field.name) for field in fields(resource)},
        "creates": node.creates,
    }
    return "AWS call", f"calls {node.service} {node.action}", {"call": work}


def _seconds(node: Lowered) -> int:
    if isinstance(node, Call):
        return _CALL_SECONDS
    seconds = node.timeout_seconds + (_QUEUE_SECONDS if isinstance(node, Job) else 0)
    return min(seconds, _MAX_SECONDS)


def _outputs(node: Lowered) -> Mapping[str, Any]:
    if isinstance(node, Extract):
        return {"output": node.output}
    return node.outputs if isinstance(node, Job) else {}


def _report_output(node: Lowered) -> dict[str, Any]:
    # The Glue run writes the report to S3 itself. SageMaker Pipelines reads a metric only from a
    # declared output of a processing step: here one into which the job puts nothing.
    if not isinstance(node, Job) or node.report is None:
        return {}
    output = {
        "OutputName": node.report.output,
        "S3Output": {
            "S3Uri": node.outputs[node.report.output],
            "LocalPath": f"/opt/ml/processing/output/{node.report.output}",
            "S3UploadMode": "EndOfJob",
        },
    }
    return {"ProcessingOutputConfig": {"Outputs": [output]}}


def _input(name: str, uri: Any) -> Json:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"{_INPUT}/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        },
    }


def _image_of(request: Json) -> str:
    return request.get("AppSpecification", {}).get("ImageUri") or ""
