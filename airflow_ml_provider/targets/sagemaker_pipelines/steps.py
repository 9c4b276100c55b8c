"""The steps of a pipeline definition.

Their JSON is that of the SageMaker SDK (https://github.com/aws/sagemaker-python-sdk, folder
``workflow``) and of the published schema
(https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.values import JobField, find
from airflow_ml_provider.plan.nodes import Approval, Call, Choice, Fail, Invoke, Job
from airflow_ml_provider.targets.sagemaker_pipelines.conditions import conditions
from airflow_ml_provider.targets.sagemaker_pipelines.retries import policies
from airflow_ml_provider.targets.sagemaker_pipelines.values import (
    REPORT,
    Scope,
    references,
    spelled,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_ml_provider.plan.nodes import Node, Plan
    from airflow_ml_provider.targets.sagemaker_pipelines.units import Unit, Units

JOBS = {
    "sagemaker_processing": "Processing",
    "sagemaker_training": "Training",
    "sagemaker_tuning": "Tuning",
    "sagemaker_transform": "Transform",
    "emr_serverless": "EMRServerless",
}
"""The step type of each kind of job."""

CALLS = {
    ("sagemaker", "create_model"): "Model",
    ("sagemaker", "create_model_package"): "RegisterModel",
}
"""The step type of each AWS call."""

_OTHERS = {Invoke: "Lambda", Choice: "Condition", Approval: "Callback", Fail: "Fail"}
# The service names what it starts, and refuses a package for the marketplace.
_LEFT_OUT = {
    "Processing": "ProcessingJobName",
    "Training": "TrainingJobName",
    "Tuning": "HyperParameterTuningJobName",
    "Transform": "TransformJobName",
    "Model": "ModelName",
    "RegisterModel": "CertifyForMarketplace",
    "EMRServerless": "clientToken",
}


def step_type(node: Node) -> str:
    """Give the type of a node's step; empty if there is none."""
    if isinstance(node, Job):
        return JOBS.get(node.kind, "")
    if isinstance(node, Call):
        return CALLS.get((node.service, node.action), "")
    return _OTHERS.get(type(node), "")


class Steps:
    """Spells the steps of one plan; ``read`` are those whose report somebody reads."""

    def __init__(self, plan: Plan, read: Collection[str]) -> None:
        self._plan = plan
        self._nodes: Mapping[str, Node] = {node.name: node for node in plan.all_nodes()}
        self._read = read
        self._fields = find([plan.nodes], (JobField,))

    def block(self, units: Units) -> list[dict[str, Any]]:
        """Spell steps in their order."""
        return [self._step(unit) for unit in units]

    def _step(self, unit: Unit) -> dict[str, Any]:
        scope = Scope(self._plan, self._nodes, unit)
        node, kind = unit.node, step_type(unit.node)
        own = self._own(unit, scope)
        arguments = own.pop("Arguments")
        step: dict[str, Any] = {"Name": unit.name, "Type": kind, "Arguments": arguments}
        # A condition waits for what it compares, not for what its arms refer to.
        named = references([own, arguments.get("Conditions", arguments)])
        seen = {one.split(".")[1] for one in named if one.startswith("Steps.")}
        waits: list[Any] = [name for name in unit.after if name not in seen]
        if unit.failed:
            waits.append({"Step": unit.failed, "Trigger": "Failed"})
        if waits:
            step["DependsOn"] = waits
        if unit.label != unit.name:
            step["DisplayName"] = unit.label
        if retries := policies(kind, getattr(node, "retry", ())):
            step["RetryPolicies"] = retries
        if isinstance(node, Job) and node.cache:
            step["CacheConfig"] = {"Enabled": True, "ExpireAfter": node.cache}
        return {**step, **own}

    def _own(self, unit: Unit, scope: Scope) -> dict[str, Any]:
        """Give the arguments of a step and the fields that only steps of its type have."""
        node = unit.node
        if isinstance(node, Choice):
            return {
                "Arguments": {
                    "Conditions": conditions(node.when, lambda side: spelled(side, scope)),
                    "IfSteps": self.block(unit.then),
                    "ElseSteps": self.block(unit.otherwise),
                }
            }
        if isinstance(node, Invoke):
            return {
                "Arguments": spelled(node.payload, scope),
                "FunctionArn": spelled(node.function, scope),
                "OutputParameters": self._outputs(node),
            }
        if isinstance(node, Approval):
            package = JobField(node.model, ("ModelPackageArn",))
            return {
                "Arguments": {"model_package_arn": spelled(package, scope)},
                "SqsQueueUrl": spelled(node.queue_url, scope),
                "OutputParameters": [],
            }
        if isinstance(node, Fail):
            return {"Arguments": {"ErrorMessage": spelled(node.message, scope)}}
        assert isinstance(node, (Job, Call)), node  # noqa: S101 - all others are refused before
        kind = step_type(node)
        request = {key: value for key, value in node.request.items() if key != _LEFT_OUT[kind]}
        arguments = spelled(request, scope)
        if kind == "EMRServerless":
            return {
                "Arguments": {
                    "ExecutionRoleArn": arguments["executionRoleArn"],
                    "JobConfig": arguments,
                    "ApplicationId": arguments["applicationId"],
                }
            }
        return {"Arguments": arguments, **self._property_files(node)}

    def _outputs(self, node: Invoke) -> list[dict[str, str]]:
        # The definition has to say which fields of the answer others refer to.
        names = sorted({field.path[0] for field in self._fields if field.step == node.name})
        return [{"OutputName": name, "OutputType": "String"} for name in names]

    def _property_files(self, node: Job | Call) -> dict[str, Any]:
        report = node.report if isinstance(node, Job) else None
        if report is None or node.name not in self._read:
            return {}
        return {
            "PropertyFiles": [
                {
                    "PropertyFileName": REPORT,
                    "OutputName": report.output,
                    "FilePath": report.file,
                }
            ]
        }
