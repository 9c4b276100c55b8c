"""A script that judges a model in a SageMaker processing job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.operators.step_job import StepJobOperator
from airflow_ml_provider.pipeline.model_steps import Evaluation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class EvaluationOperator(StepJobOperator):
    """Judge a model; see ``Evaluation`` for the fields. The report becomes the XCom ``report``.

    :param script: a local file, staged to S3 when the task runs.
    :param model: the S3 address of ``model.tar.gz``. (templated)
    :param data: the S3 address of what it is judged on. (templated)
    :param output: the S3 prefix below which ``evaluation.json`` is left. (templated)
    :param timeout_seconds: the job's own limit.
    :param overrides: merged last into the AWS request.
    """

    def __init__(
        self,
        *,
        task_id: str,
        script: str,
        image_uri: str,
        model: str,
        data: str,
        output: str,
        inputs: Mapping[str, Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        modules: Sequence[str] = (),
        instance_type: str = "ml.m5.xlarge",
        instance_count: int = 1,
        volume_size_gb: int = 30,
        role_arn: str | None = None,
        environment: Mapping[str, Any] | None = None,
        timeout_seconds: int = 3600,
        overrides: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        step = Evaluation(
            task_id,
            script=script,
            image_uri=image_uri,
            model=model,
            data=data,
            inputs=inputs or {},
            arguments=arguments or {},
            modules=tuple(modules),
            instance_type=instance_type,
            instance_count=instance_count,
            volume_size_gb=volume_size_gb,
            role_arn=role_arn,
            environment=environment or {},
            timeout_seconds=timeout_seconds,
            overrides=overrides or {},
        )
        super().__init__(step=step, outputs={"report": output}, **kwargs)
