"""A script in a SageMaker training job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.operators.step_job import StepJobOperator
from airflow_ml_provider.pipeline.model_steps import Training

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class TrainingOperator(StepJobOperator):
    """Train a model with a script in a framework container; see ``Training`` for the fields.

    The model's address is ``["ModelArtifacts"]["S3ModelArtifacts"]`` of the XCom.

    :param script: a local file, staged to S3 when the task runs.
    :param inputs: S3 addresses by channel. (templated)
    :param output: the S3 prefix below which the model is left. (templated)
    :param metrics: regular expressions by metric, looked for in the log.
    :param timeout_seconds: the job's own limit.
    :param overrides: merged last into the AWS request.
    """

    def __init__(
        self,
        *,
        task_id: str,
        script: str,
        image_uri: str,
        inputs: Mapping[str, Any],
        output: str,
        hyperparameters: Mapping[str, Any] | None = None,
        modules: Sequence[str] = (),
        metrics: Mapping[str, str] | None = None,
        instance_type: str = "ml.m5.xlarge",
        instance_count: int = 1,
        volume_size_gb: int = 30,
        role_arn: str | None = None,
        environment: Mapping[str, Any] | None = None,
        timeout_seconds: int = 3600,
        overrides: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        step = Training(
            task_id,
            script=script,
            image_uri=image_uri,
            inputs=inputs,
            hyperparameters=hyperparameters or {},
            modules=tuple(modules),
            metrics=metrics or {},
            instance_type=instance_type,
            instance_count=instance_count,
            volume_size_gb=volume_size_gb,
            role_arn=role_arn,
            environment=environment or {},
            timeout_seconds=timeout_seconds,
            overrides=overrides or {},
        )
        super().__init__(step=step, outputs={"model": output}, **kwargs)
