"""Steps that are one call of an AWS API: a registered model version, a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.values import Output, Text, Token
from airflow_ml_provider.plan.nodes import Call, Resource
from airflow_ml_provider.plan.place import merged, present

if TYPE_CHECKING:
    from airflow_ml_provider.pipeline.control_steps import Notify
    from airflow_ml_provider.pipeline.model_steps import RegisterModel
    from airflow_ml_provider.plan.place import Place


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
