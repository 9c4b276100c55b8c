"""A model and its batch transform as requests of SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.model_steps import Model
from airflow_ml_provider.pipeline.values import Code, ResourceName
from airflow_ml_provider.plan.nodes import Call
from airflow_ml_provider.plan.place import as_texts, merged, present
from airflow_ml_provider.plan.sagemaker import vpc

if TYPE_CHECKING:
    from airflow_ml_provider.pipeline.model_steps import Transform
    from airflow_ml_provider.plan.nodes import Json
    from airflow_ml_provider.plan.place import Place


def model_call(step: Model, place: Place, *, after: tuple[str, ...]) -> Call:
    """Give the ``CreateModel`` call."""
    code: dict[str, Any] = {}
    if step.script:
        # https://github.com/aws/sagemaker-inference-toolkit
        code = {
            "SAGEMAKER_PROGRAM": step.script.rsplit("/", 1)[-1],
            "SAGEMAKER_SUBMIT_DIRECTORY": Code((step.script, *step.modules), "tar"),
        }
    request = {
        "ModelName": ResourceName(step.name),
        "PrimaryContainer": {
            "Image": step.image_uri,
            "ModelDataUrl": step.artifact,
            **present(Environment={**code, **as_texts(step.environment)}),
        },
        "ExecutionRoleArn": place.role(step.role_arn),
        **present(VpcConfig=vpc(place), Tags=place.tag_list()),
    }
    return Call(
        name=step.name,
        after=after,
        service="sagemaker",
        action="create_model",
        request=merged(request, step.overrides),
        retry=step.retries,
        creates=True,
    )


def transform_request(step: Transform, place: Place) -> Json:
    """Give the ``CreateTransformJob`` request, without its job name."""
    account = place.account
    model = step.model
    request = {
        "ModelName": ResourceName(model.name) if isinstance(model, Model) else model,
        "BatchStrategy": step.strategy,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": step.data}},
            "ContentType": step.content_type,
            "SplitType": step.split_type,
        },
        "TransformOutput": {
            "S3OutputPath": place.output(step.name, "output"),
            "Accept": step.accept,
            "AssembleWith": step.assemble_with,
            **present(KmsKeyId=account.kms_key_id),
        },
        "TransformResources": {
            "InstanceType": step.instance_type,
            "InstanceCount": step.instance_count,
        },
        **present(
            MaxPayloadInMB=step.max_payload_mb,
            MaxConcurrentTransforms=step.max_concurrent,
            Environment=as_texts(step.environment),
            Tags=place.tag_list(),
        ),
    }
    return merged(request, step.overrides)
