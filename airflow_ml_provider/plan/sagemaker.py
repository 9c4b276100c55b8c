"""Processing, evaluation and training steps as requests of SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.model_steps import Evaluation
from airflow_ml_provider.pipeline.values import Code
from airflow_ml_provider.plan.place import as_text, as_texts, merged, present

if TYPE_CHECKING:
    from airflow_ml_provider.pipeline.model_steps import Processing, Training
    from airflow_ml_provider.plan.nodes import Json
    from airflow_ml_provider.plan.place import Place

# https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
_PROCESSING = "/opt/ml/processing"


def processing_request(step: Processing | Evaluation, place: Place) -> Json:
    """Give the ``CreateProcessingJob`` request, without its job name."""
    inputs = dict(step.inputs)
    if isinstance(step, Evaluation):
        inputs = {"model": step.model, "data": step.data, **inputs}
    code = Code((step.script, *step.modules), "prefix")
    script = step.script.rsplit("/", 1)[-1]
    arguments: list[Any] = []
    for name, value in step.arguments.items():
        arguments += [f"--{name}", as_text(value)]
    account = place.account
    request = {
        "RoleArn": place.role(step.role_arn),
        "AppSpecification": {
            "ImageUri": step.image_uri,
            "ContainerEntrypoint": ["python3", f"{_PROCESSING}/input/code/{script}"],
            **present(ContainerArguments=arguments),
        },
        "ProcessingInputs": [
            _processing_input(name, uri) for name, uri in {**inputs, "code": code}.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": name,
                    "S3Output": {
                        "S3Uri": place.output(step.name, name),
                        "LocalPath": f"{_PROCESSING}/output/{name}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for name in step.output_names
            ],
            **present(KmsKeyId=account.kms_key_id),
        },
        "ProcessingResources": {"ClusterConfig": _machines(step)},
        "StoppingCondition": {"MaxRuntimeInSeconds": step.timeout_seconds},
        **present(
            Environment=as_texts(step.environment),
            NetworkConfig=present(VpcConfig=vpc(place)),
            Tags=place.tag_list(),
        ),
    }
    return merged(request, step.overrides)


def training_request(step: Training, place: Place) -> Json:
    """Give the ``CreateTrainingJob`` request, without its job name."""
    return merged(training_job(step, place), step.overrides)


def training_job(step: Training, place: Place) -> dict[str, Any]:
    """Give that request without the step's overrides.

    Script mode: the framework containers start ``sagemaker_program`` out of the archive
    ``sagemaker_submit_directory`` (https://github.com/aws/sagemaker-training-toolkit).
    """
    account = place.account
    return {
        "RoleArn": place.role(step.role_arn),
        "AlgorithmSpecification": {
            "TrainingImage": step.image_uri,
            "TrainingInputMode": "File",
            **present(
                MetricDefinitions=[{"Name": n, "Regex": r} for n, r in step.metrics.items()],
            ),
        },
        "HyperParameters": {
            **as_texts(step.hyperparameters),
            "sagemaker_program": step.script.rsplit("/", 1)[-1],
            "sagemaker_submit_directory": Code((step.script, *step.modules), "tar"),
        },
        "InputDataConfig": [
            {
                "ChannelName": name,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": uri,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for name, uri in step.inputs.items()
        ],
        "OutputDataConfig": {
            "S3OutputPath": place.output(step.name, "model"),
            **present(KmsKeyId=account.kms_key_id),
        },
        "ResourceConfig": _machines(step),
        "StoppingCondition": {"MaxRuntimeInSeconds": step.timeout_seconds},
        **present(
            Environment=as_texts(step.environment), VpcConfig=vpc(place), Tags=place.tag_list()
        ),
    }


def _processing_input(name: str, uri: Any) -> Json:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"{_PROCESSING}/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        },
    }


def _machines(step: Processing | Evaluation | Training) -> Json:
    return {
        "InstanceType": step.instance_type,
        "InstanceCount": step.instance_count,
        "VolumeSizeInGB": step.volume_size_gb,
    }


def vpc(place: Place) -> Json:
    """Give the account's subnets and security groups as SageMaker spells them."""
    return present(
        Subnets=list(place.account.subnets),
        SecurityGroupIds=list(place.account.security_group_ids),
    )
