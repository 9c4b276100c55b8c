"""A script in a SageMaker processing job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.operators.step_job import StepJobOperator
from airflow_ml_provider.pipeline.model_steps import Processing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_ml_provider.pipeline.step import Report


class ProcessingOperator(StepJobOperator):
    """Run a script in a processing job; see ``Processing`` for the fields.

    :param script: a local file, staged to S3 when the task runs.
    :param inputs: S3 addresses by name, found under ``/opt/ml/processing/input``. (templated)
    :param outputs: S3 prefixes by name, left under ``/opt/ml/processing/output``. (templated)
    :param metrics_report: ``Report(output, file)`` that becomes the XCom ``report``.
    :param timeout_seconds: the job's own limit.
    :param overrides: merged last into the AWS request.
    """

    def __init__(
        self,
        *,
        task_id: str,
        script: str,
        image_uri: str,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, str] | None = None,
        arguments: Mapping[str, Any] | None = None,
        modules: Sequence[str] = (),
        metrics_report: Report | None = None,
        instance_type: str = "ml.m5.xlarge",
        instance_count: int = 1,
        volume_size_gb: int = 30,
        role_arn: str | None = None,
        environment: Mapping[str, Any] | None = None,
        timeout_seconds: int = 3600,
        overrides: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        outputs = outputs or {}
        step = Processing(
            task_id,
            script=script,
            image_uri=image_uri,
            inputs=inputs or {},
            outputs=tuple(outputs),
            arguments=arguments or {},
            modules=tuple(modules),
            report=metrics_report,
            instance_type=instance_type,
            instance_count=instance_count,
            volume_size_gb=volume_size_gb,
            role_arn=role_arn,
            environment=environment or {},
            timeout_seconds=timeout_seconds,
            overrides=overrides or {},
        )
        super().__init__(step=step, outputs=outputs, **kwargs)
