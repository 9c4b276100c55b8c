"""Pieces of CloudFormation templates: roles and policies, functions, alarms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType

Resources = dict[str, dict[str, Any]]
PARTITION, REGION, ACCOUNT = "${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}"
LOG_DAYS = 90
ALARM_TOPIC, HAS_ALARM_TOPIC = "AlarmTopicArn", "HasAlarmTopic"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_POLICY_CHARACTERS = 6144
_POLICIES_OF_A_ROLE = 10
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-lambda-function-code.html
_INLINE_CHARACTERS = 4096
_RUNTIME = "python3.13"
_FUNCTION_SECONDS = 30


def substituted(value: Any) -> Any:
    """Copy JSON in which texts that name the account, region or partition are ``Fn::Sub``."""
    if isinstance(value, dict):
        return {key: substituted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [substituted(item) for item in value]
    return {"Fn::Sub": value} if isinstance(value, str) and "${AWS::" in value else value


def get(resource: str, attribute: str = "Arn") -> dict[str, list[str]]:
    """Refer to an attribute of a resource of the template."""
    return {"Fn::GetAtt": [resource, attribute]}


def managed_policies(
    name: str, pipeline: str, policy: Mapping[str, Any], description: str, roles: Any = None
) -> Resources:
    """Give the managed policies that together are one policy; IAM bounds the size of each.

    :raises PipelineError: a role could not hold so many.
    """
    parts = list(_parted(policy["Statement"]))
    if len(parts) > _POLICIES_OF_A_ROLE:
        problem = (
            f"iam: {description} needs {len(parts)} managed policies, a role takes "
            f"{_POLICIES_OF_A_ROLE}; split the pipeline"
        )
        raise PipelineError(f"pipeline {pipeline!r}", [problem])
    return {
        f"{name}{number}": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "Description": description,
                "PolicyDocument": substituted({"Version": policy["Version"], "Statement": part}),
                **({"Roles": roles} if roles else {}),
            },
        }
        for number, part in enumerate(parts, start=1)
    }


def _parted(statements: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    part: list[Mapping[str, Any]] = []
    for statement in statements:
        for piece in _pieces(statement):
            if part and _size([*part, piece]) > _POLICY_CHARACTERS:
                yield part
                part = []
            part.append(piece)
    yield part


def _pieces(statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Halve the resources of a statement until each piece fits into a policy of its own."""
    resources = statement["Resource"]
    if _size([statement]) <= _POLICY_CHARACTERS or len(resources) == 1:
        yield statement
        return
    half = len(resources) // 2
    for number, some in enumerate((resources[:half], resources[half:])):
        sid = f"{statement['Sid']}{'AB'[number]}"
        yield from _pieces({**statement, "Sid": sid, "Resource": some})


def _size(statements: list[Any]) -> int:
    return len(
        json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    )


def role(trust: Mapping[str, Any], **own: Any) -> dict[str, Any]:
    """Give a role with further properties of ``AWS::IAM::Role``."""
    properties = {"AssumeRolePolicyDocument": substituted(dict(trust)), **own}
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def inline(name: str, *statements: tuple[Iterable[str], Any]) -> list[dict[str, Any]]:
    """Give a role's inline policy of (actions, resources)."""
    allowed = [
        {"Effect": "Allow", "Action": list(actions), "Resource": resources}
        for actions, resources in statements
    ]
    return [
        {
            "PolicyName": name,
            "PolicyDocument": {"Version": "2012-10-17", "Statement": allowed},
        }
    ]


def assumed_by(service: str) -> dict[str, Any]:
    """Give the trust policy of a role for one service."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }


def function(
    name: str,
    module: ModuleType,
    entry: str,
    *allowed: tuple[Iterable[str], Any],
    description: str,
    environment: Mapping[str, Any] | None = None,
) -> Resources:
    """Give a Lambda function made of one module's source, its role, its log and its alarm."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert len(source) <= _INLINE_CHARACTERS, module  # noqa: S101 - a test holds it
    logs = f"{name}Logs"
    write = ("logs:CreateLogStream", "logs:PutLogEvents")
    return {
        logs: log_group(None),
        f"{name}Role": role(
            assumed_by("lambda"),
            Policies=inline("Calls", (write, get(logs)), *allowed),
        ),
        name: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Description": description,
                "Runtime": _RUNTIME,
                "Handler": f"index.{entry}",
                "Code": {"ZipFile": source},
                "Role": get(f"{name}Role"),
                "Timeout": _FUNCTION_SECONDS,
                "LoggingConfig": {"LogGroup": {"Ref": logs}},
                **({"Environment": {"Variables": dict(environment)}} if environment else {}),
            },
        },
        f"{name}Alarm": alarm(
            f"The function {name} failed",
            "AWS/Lambda",
            "Errors",
            {"FunctionName": {"Ref": name}},
        ),
    }


def log_group(name: str | None) -> dict[str, Any]:
    """Give a log group; without a name CloudFormation makes one."""
    properties = {**({"LogGroupName": name} if name else {}), "RetentionInDays": LOG_DAYS}
    return {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": properties,
    }


def alarm(
    description: str, namespace: str, metric: str, dimensions: Mapping[str, Any]
) -> dict[str, Any]:
    """Give an alarm for the first failure in five minutes; the topic is a parameter."""
    topic = {"Fn::If": [HAS_ALARM_TOPIC, [{"Ref": ALARM_TOPIC}], {"Ref": "AWS::NoValue"}]}
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": description,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": topic,
        },
    }
