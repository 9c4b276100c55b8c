"""Steps that are one call: a registered model version, a message, any AWS API, a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.call_steps import AwsCall, LambdaCall
from airflow_ml_provider.pipeline.control_steps import Notify
from airflow_ml_provider.pipeline.model_steps import RegisterModel
from airflow_ml_provider.pipeline.values import Output, Text, Token
from airflow_ml_provider.plan.nodes import Call, Invoke, Resource
from airflow_ml_provider.plan.place import merged, present

if TYPE_CHECKING:
    from airflow_ml_provider.pipeline.step import Step
    from airflow_ml_provider.plan.place import Place


def call(step: Step, place: Place, *, after: tuple[str, ...]) -> Call | Invoke | None:
    """Give the call that a step is; ``None`` if it is none."""
    if isinstance(step, RegisterModel):
        return register_call(step, place, after=after)
    if isinstance(step, Notify):
        return notify_call(step, after=after)
    if isinstance(step, AwsCall):
        return aws_call(step, after=after)
    if isinstance(step, LambdaCall):
        return lambda_call(step, after=after)
    return None


def register_call(step: RegisterModel, place: Place, *, after: tuple[str, ...]) -> Call:
    """Give the ``CreateModelPackage`` call; its client token makes a repeated try harmless."""
    tags = place.tag_list()
    request: dict[str, Any] = {
        "ModelPackageGroupName": step.group,
        "ModelApprovalStatus": step.approval_status,
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": step.image_uri or step.model.image_uri,
                    "ModelDataUrl": step.model.artifact,
                }
            ],
            "SupportedContentTypes": list(step.content_types),
            "SupportedResponseMIMETypes": list(step.response_types),
        },
        "ClientToken": Token(),
        **present(ModelPackageDescription=step.description),
    }
    report = step.metrics.metrics_report if step.metrics else None
    if step.metrics is not None and report is not None:
        uri = Text.of(Output(step.metrics.name, report.output), report.file)
        statistics = {"ContentType": "application/json", "S3Uri": uri}
        request["ModelMetrics"] = {"ModelQuality": {"Statistics": statistics}}
    group = {"ModelPackageGroupName": step.group}
    return Call(
        name=step.name,
        after=after,
        service="sagemaker",
        action="create_model_package",
        request=merged(request, step.overrides),
        retry=step.retries,
        resource=Resource(
            describe="describe_model_package_group",
            key=group,
            create="create_model_package_group",
            request={**group, **present(Tags=tags)},
        ),
    )


def notify_call(step: Notify, *, after: tuple[str, ...]) -> Call:
    """Give the ``Publish`` call of SNS."""
    request = {
        "TopicArn": step.topic_arn,
        "Message": step.message,
        **present(Subject=step.subject),
    }
    return Call(
        name=step.name,
        after=after,
        service="sns",
        action="publish",
        request=merged(request, step.overrides),
        retry=step.retries,
    )


def aws_call(step: AwsCall, *, after: tuple[str, ...]) -> Call:
    """Give the call as the step spells it."""
    return Call(
        name=step.name,
        after=after,
        service=step.service,
        action=step.action,
        request=merged(step.request, step.overrides),
        retry=step.retries,
        creates=step.creates,
    )


def lambda_call(step: LambdaCall, *, after: tuple[str, ...]) -> Invoke:
    """Give the invocation of a Lambda function."""
    return Invoke(
        name=step.name,
        after=after,
        function=step.function,
        payload=step.payload,
        timeout_seconds=step.timeout_seconds,
        retry=step.retries,
    )
