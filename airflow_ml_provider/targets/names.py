"""What a pipeline is called where it is deployed."""

from __future__ import annotations


def deployed_name(pipeline: str, target: str) -> str:
    """Give the name of the state machine or SageMaker pipeline.

    SageMaker takes no underscores:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html
    """
    return pipeline.replace("_", "-") if target == "sagemaker" else pipeline
