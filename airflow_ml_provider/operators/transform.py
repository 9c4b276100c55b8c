"""The predictions of a model for a data set: a SageMaker batch transform job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.operators.step_job import StepJobOperator
from airflow_ml_provider.pipeline.model_steps import Transform

if TYPE_CHECKING:
    from collections.abc import Mapping


class TransformOperator(StepJobOperator):
    """Let a model predict for each object below an S3 prefix; see ``Transform`` for the fields.

    :param model_name: a model that exists in SageMaker. (templated)
    :param data: the S3 prefix of the objects. (templated)
    :param output: the S3 prefix below which each object's predictions are left, as
        ``<name>.out``. (templated)
    :param timeout_seconds: how long the job may take; SageMaker has no limit of its own for it.
    :param overrides: merged last into the AWS request.
    """

    def __init__(
        self,
        *,
        task_id: str,
        model_name: str,
        data: str,
        output: str,
        content_type: str = "text/csv",
        accept: str = "text/csv",
        split_type: str = "Line",
        strategy: str = "MultiRecord",
        assemble_with: str = "Line",
        instance_type: str = "ml.m5.xlarge",
        instance_count: int = 1,
        max_payload_mb: int | None = None,
        max_concurrent: int | None = None,
        environment: Mapping[str, Any] | None = None,
        timeout_seconds: int = 3600,
        overrides: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        step = Transform(
            task_id,
            model=model_name,
            data=data,
            content_type=content_type,
            accept=accept,
            split_type=split_type,
            strategy=strategy,
            assemble_with=assemble_with,
            instance_type=instance_type,
            instance_count=instance_count,
            max_payload_mb=max_payload_mb,
            max_concurrent=max_concurrent,
            environment=environment or {},
            timeout_seconds=timeout_seconds,
            overrides=overrides or {},
        )
        super().__init__(step=step, outputs={"output": output}, **kwargs)
