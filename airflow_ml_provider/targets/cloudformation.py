"""One CloudFormation template for a pipeline on a target: all that it runs with.

The roles of the jobs, the S3 bucket and the images are there before.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.plan.nodes import Approval
from airflow_ml_provider.targets import approval_relay, starter
from airflow_ml_provider.targets import cloudformation_parts as parts
from airflow_ml_provider.targets.iam import policies
from airflow_ml_provider.targets.iam_arns import packages, queue_arn, resource_arns
from airflow_ml_provider.targets.iam_kinds import AIRFLOW, SAGEMAKER, STEP_FUNCTIONS
from airflow_ml_provider.targets.iam_paths import Paths
from airflow_ml_provider.targets.iam_statements import Where
from airflow_ml_provider.targets.names import deployed_name
from airflow_ml_provider.targets.schedule import parse_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.plan.nodes import Plan
    from airflow_ml_provider.targets.cloudformation_parts import Resources

_WHERE = Where(parts.PARTITION, parts.REGION, parts.ACCOUNT)
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_TEMPLATE_BYTES = 1_048_576
_QUEUE_SECONDS = 14 * 86_400
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
_DELIVER_LOGS = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)


def template(
    plan: Plan, target: str, document: Mapping[str, Any], *, schedule: Any = None
) -> dict[str, Any]:
    """Give the template that deploys ``document``, made of ``plan``, on its target.

    ``schedule`` is what Airflow takes. On Airflow itself the template is the worker's policy alone:
    the DAG has its own schedule, and Airflow its own alarms.

    :raises PipelineError: the schedule or the size is more than AWS takes.
    """
    made = _Template(plan, target, document)
    made.add_job_policies()
    if target == AIRFLOW:
        made.add_worker_policy()
    else:
        made.add_orchestrator()
        made.add_schedule(schedule)
        made.add_approvals()
    return made.whole()


class _Template:
    """A template while it is made."""

    def __init__(self, plan: Plan, target: str, document: Mapping[str, Any]) -> None:
        self.plan = plan
        self.target = target
        self.document = document
        self.name = deployed_name(plan.name, target)
        self.policies = policies(
            plan,
            target,
            partition=parts.PARTITION,
            region=parts.REGION,
            account_id=parts.ACCOUNT,
        )
        self.parameters: dict[str, dict[str, Any]] = {}
        self.conditions: dict[str, Any] = {}
        self.resources: Resources = {}
        self.outputs: dict[str, Any] = {}

    def whole(self) -> dict[str, Any]:
        """Give the template.

        :raises PipelineError: it is too big.
        """
        kinds = {AIRFLOW: "Airflow", STEP_FUNCTIONS: "Step Functions", SAGEMAKER: "SageMaker"}
        made = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": f"The pipeline {self.plan.name} on {kinds[self.target]}",
            "Parameters": self.parameters,
            "Conditions": self.conditions,
            "Resources": self.resources,
            "Outputs": self.outputs,
        }
        size = len(json.dumps(made))
        if size > _TEMPLATE_BYTES:
            self._refuse(
                f"template: it has {size:,} bytes, CloudFormation takes {_TEMPLATE_BYTES:,}; "
                "deploy the definition itself, or split the pipeline"
            )
        return {key: value for key, value in made.items() if value}

    def add_job_policies(self) -> None:
        """Add the policies of the jobs' roles, to be attached to them on demand."""
        self._switch("AttachJobPolicies", "AttachesJobPolicies", "Attach them to the jobs' roles")
        for number, (arn, needed) in enumerate(self.policies["jobs"].items(), start=1):
            roles = {
                "Fn::If": [
                    "AttachesJobPolicies",
                    [arn.rpartition("/")[2]],
                    {"Ref": "AWS::NoValue"},
                ]
            }
            name = f"JobRole{number}Policy"
            text = f"What the jobs of {self.plan.name} do as {arn.rpartition('/')[2]}"
            self._managed(name, needed["policy"], text, roles)

    def add_worker_policy(self) -> None:
        """Add what Airflow's workers need, for their role."""
        self.parameters["WorkerRoleName"] = {
            "Type": "String",
            "Description": "Role that Airflow's workers run as: the execution role of MWAA",
        }
        text = f"What the tasks of {self.plan.name} call"
        roles = [{"Ref": "WorkerRoleName"}]
        self._managed("WorkerPolicy", self.policies["execution"]["policy"], text, roles)

    def add_orchestrator(self) -> None:
        """Add the state machine or SageMaker pipeline, its role and its alarm."""
        needed = self.policies["execution"]
        text = f"What the pipeline {self.plan.name} calls"
        attached = self._managed("Policy", needed["policy"], text)
        own: dict[str, Any] = {"ManagedPolicyArns": [{"Ref": name} for name in attached]}
        definition = json.dumps(self.document, ensure_ascii=False, separators=(",", ":"))
        if self.target == STEP_FUNCTIONS:
            own["Policies"] = parts.inline("DeliverLogs", (_DELIVER_LOGS, "*"))
            self.resources["Logs"] = parts.log_group(f"/aws/vendedlogs/states/{self.name}")
            made, one = "StateMachine", self._state_machine(definition)
            failures = ("AWS/States", "ExecutionsFailed", "StateMachineArn")
        else:
            made, one = "Pipeline", self._sagemaker_pipeline(definition)
            failures = ("AWS/Sagemaker/ModelBuildingPipeline", "ExecutionFailed", "PipelineName")
        self.resources["Role"] = parts.role(needed["trust"], **own)
        self.resources[made] = one
        self.outputs[made] = {"Value": {"Ref": made}}
        self._add_alarm_topic()
        namespace, metric, dimension = failures
        self.resources["Alarm"] = parts.alarm(
            f"A run of {self.plan.name} failed", namespace, metric, {dimension: {"Ref": made}}
        )

    def add_schedule(self, schedule: Any) -> None:
        """Add the schedule, and the function that gives each run its data interval."""
        found = parse_schedule(schedule, self.plan.name)
        if found is None:
            return
        machine: Any
        known: dict[str, Any] = {"SECONDS": str(found.seconds), "MONTHS": str(found.months)}
        if self.target == STEP_FUNCTIONS:
            known["STATE_MACHINE"] = {"Ref": "StateMachine"}
            verb, machine = "states:StartExecution", {"Ref": "StateMachine"}
        else:
            # The pipeline's own parameters have defaults, those of the run have none.
            asked = [p["Name"] for p in self.document["Parameters"] if "DefaultValue" not in p]
            known["PIPELINE"] = {"Ref": "Pipeline"}
            known["PARAMETERS"] = " ".join(asked)
            verb, machine = "sagemaker:StartPipelineExecution", self._pipeline_arns()
        self.resources |= parts.function(
            "Starter",
            starter,
            "start",
            ([verb], machine),
            description=f"Starts {self.plan.name} for the data interval that ended",
            environment=known,
        )
        invoke = (["lambda:InvokeFunction"], parts.get("Starter"))
        self.resources["ScheduleRole"] = parts.role(
            parts.assumed_by("scheduler"), Policies=parts.inline("Start", invoke)
        )
        self.parameters["ScheduleState"] = {
            "Type": "String",
            "Default": "ENABLED",
            "AllowedValues": ["ENABLED", "DISABLED"],
            "Description": "DISABLED: runs are started by hand only",
        }
        self.resources["Schedule"] = {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "Description": f"{self.plan.name}: {schedule}",
                "ScheduleExpression": found.expression,
                "ScheduleExpressionTimezone": "UTC",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "State": {"Ref": "ScheduleState"},
                "Target": {
                    "Arn": parts.get("Starter"),
                    "RoleArn": parts.get("ScheduleRole"),
                    "Input": json.dumps({"time": "<aws.scheduler.scheduled-time>"}),
                },
            },
        }
        self.outputs["Starter"] = {
            "Description": 'Starts the run whose data interval ends at {"time": ...}',
            "Value": {"Ref": "Starter"},
        }

    def add_approvals(self) -> None:
        """Add the function that answers approvals, and the queue if it is not there."""
        approvals = [node for node in self.plan.all_nodes() if isinstance(node, Approval)]
        if not approvals:
            return
        paths = Paths.of(self.plan)
        urls = list(dict.fromkeys(paths.pattern(node.queue_url) for node in approvals))
        queues = [queue_arn(_WHERE, url) for url in urls]
        problems = [
            f"step {node.name!r}: queue_url: {node.queue_url!r} names no queue that a template "
            "could connect; give https://sqs.<region>.amazonaws.com/<account>/<name>"
            for node in approvals
            if "*" in queue_arn(_WHERE, paths.pattern(node.queue_url))
        ]
        problems += [
            f"step {node.name!r}: timeout_seconds: {node.timeout_seconds:,} is more than the "
            f"{_QUEUE_SECONDS:,} that a queue keeps a question"
            for node in approvals
            if node.timeout_seconds > _QUEUE_SECONDS
        ]
        if problems:
            self._refuse(*problems)
        about = [arn for node in approvals for arn in packages(self.plan, node, _WHERE, paths)]
        receive = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
        self.resources |= parts.function(
            "Relay",
            approval_relay,
            "answer",
            (receive, parts.substituted(queues)),
            (["sagemaker:DescribeModelPackage"], parts.substituted(sorted(set(about)))),
            self._answers(),
            description=f"Tells {self.plan.name} what became of a model package",
        )
        self._switch("CreateApprovalQueue", "CreatesApprovalQueue", "Create the approvals' queue")
        for number, (url, arn) in enumerate(zip(urls, queues, strict=True), start=1):
            self.resources[f"ApprovalQueue{number}"] = {
                "Type": "AWS::SQS::Queue",
                "Condition": "CreatesApprovalQueue",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": {
                    "QueueName": url.rpartition("/")[2],
                    "VisibilityTimeout": approval_relay.VISIBILITY_SECONDS,
                    "MessageRetentionPeriod": _QUEUE_SECONDS,
                    "SqsManagedSseEnabled": True,
                },
            }
            self.resources[f"RelayOfQueue{number}"] = {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": {
                        "Fn::If": [
                            "CreatesApprovalQueue",
                            parts.get(f"ApprovalQueue{number}"),
                            parts.substituted(arn),
                        ]
                    },
                    "FunctionName": {"Ref": "Relay"},
                    "BatchSize": 10,
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                },
            }

    def _answers(self) -> tuple[tuple[str, ...], Any]:
        if self.target == STEP_FUNCTIONS:
            answers = ("SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess")
            return tuple(f"states:{verb}" for verb in answers), {"Ref": "StateMachine"}
        verbs = ("SendPipelineExecutionStepFailure", "SendPipelineExecutionStepSuccess")
        resources = [*self._pipeline_arns(), *self._pipeline_arns("/execution/*")]
        return tuple(f"sagemaker:{verb}" for verb in verbs), resources

    def _pipeline_arns(self, below: str = "") -> Any:
        arns = resource_arns(_WHERE, "sagemaker", f"pipeline/{self.name}{below}")
        return parts.substituted(list(arns))

    def _state_machine(self, definition: str) -> dict[str, Any]:
        destination = {"CloudWatchLogsLogGroup": {"LogGroupArn": parts.get("Logs")}}
        return {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": self.name,
                "StateMachineType": "STANDARD",
                "DefinitionString": definition,
                "RoleArn": parts.get("Role"),
                "LoggingConfiguration": {
                    "Destinations": [destination],
                    "IncludeExecutionData": False,
                    "Level": "ALL",
                },
            },
        }

    def _sagemaker_pipeline(self, definition: str) -> dict[str, Any]:
        return {
            "Type": "AWS::SageMaker::Pipeline",
            "Properties": {
                "PipelineName": self.name,
                "PipelineDefinition": {"PipelineDefinitionBody": definition},
                "RoleArn": parts.get("Role"),
            },
        }

    def _add_alarm_topic(self) -> None:
        self.parameters[parts.ALARM_TOPIC] = {
            "Type": "String",
            "Default": "",
            "Description": "SNS topic that is told of failures; empty: nobody is",
        }
        nobody = {"Fn::Equals": [{"Ref": parts.ALARM_TOPIC}, ""]}
        self.conditions[parts.HAS_ALARM_TOPIC] = {"Fn::Not": [nobody]}

    def _switch(self, parameter: str, condition: str, description: str) -> None:
        self.parameters[parameter] = {
            "Type": "String",
            "Default": "false",
            "AllowedValues": ["true", "false"],
            "Description": description,
        }
        self.conditions[condition] = {"Fn::Equals": [{"Ref": parameter}, "true"]}

    def _managed(
        self, name: str, policy: Mapping[str, Any], text: str, roles: Any = None
    ) -> list[str]:
        if not policy["Statement"]:
            return []
        made = parts.managed_policies(name, self.plan.name, policy, text, roles)
        self.resources |= made
        return list(made)

    def _refuse(self, *problems: str) -> None:
        raise PipelineError(f"pipeline {self.plan.name!r}", problems)
