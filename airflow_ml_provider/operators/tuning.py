"""The best of many training jobs: a SageMaker hyperparameter tuning job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.operators.step_job import StepJobOperator
from airflow_ml_provider.pipeline.model_steps import Tuning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_ml_provider.pipeline.model_steps import Range


class TuningOperator(StepJobOperator):
    """Search the hyperparameters of a training script; see ``Tuning`` for the fields.

    The best job is ``["BestTrainingJob"]["TrainingJobName"]`` of the XCom; its model lies in
    ``<output>/<that name>/output/model.tar.gz``.

    :param script: a local file, staged to S3 when the task runs.
    :param inputs: S3 addresses by channel. (templated)
    :param output: the S3 prefix below which each training job leaves its model. (templated)
    :param metrics: regular expressions by metric, looked for in the log.
    :param ranges: what is searched: ranges by hyperparameter.
    :param objective: the metric that decides.
    :param timeout_seconds: the limit of the whole search.
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
        metrics: Mapping[str, str],
        ranges: Mapping[str, Range],
        objective: str,
        objective_type: str = "Maximize",
        strategy: str = "Bayesian",
        max_jobs: int = 10,
        parallel_jobs: int = 2,
        hyperparameters: Mapping[str, Any] | None = None,
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
        step = Tuning(
            task_id,
            script=script,
            image_uri=image_uri,
            inputs=inputs,
            hyperparameters=hyperparameters or {},
            modules=tuple(modules),
            metrics=metrics,
            ranges=ranges,
            objective=objective,
            objective_type=objective_type,
            strategy=strategy,
            max_jobs=max_jobs,
            parallel_jobs=parallel_jobs,
            instance_type=instance_type,
            instance_count=instance_count,
            volume_size_gb=volume_size_gb,
            role_arn=role_arn,
            environment=environment or {},
            timeout_seconds=timeout_seconds,
            overrides=overrides or {},
        )
        super().__init__(step=step, outputs={"model": output}, **kwargs)
