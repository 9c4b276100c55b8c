"""A PySpark script on Glue or EMR Serverless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.operators.step_job import StepJobOperator
from airflow_ml_provider.pipeline.data_steps import EmrServerless, Glue, SparkTransform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SparkOperator(StepJobOperator):
    """Run a PySpark script; see ``SparkTransform`` for the fields.

    The script gets ``--<name> <value>`` for each of ``inputs``, ``outputs`` and ``arguments``.

    :param script: a local file, staged to S3 when the task runs.
    :param on: ``Glue(...)``, whose job is named after the task unless it says otherwise, or
        ``EmrServerless(...)``.
    :param inputs: S3 addresses by name. (templated)
    :param outputs: S3 prefixes by name. (templated)
    :param timeout_seconds: the run's own limit.
    :param overrides: merged last into the AWS request.
    """

    def __init__(
        self,
        *,
        task_id: str,
        script: str,
        on: Glue | EmrServerless | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, str] | None = None,
        arguments: Mapping[str, Any] | None = None,
        modules: Sequence[str] = (),
        conf: Mapping[str, str] | None = None,
        timeout_seconds: int = 3600,
        overrides: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        outputs = outputs or {}
        step = SparkTransform(
            task_id,
            script=script,
            on=on or Glue(),
            inputs=inputs or {},
            outputs=tuple(outputs),
            arguments=arguments or {},
            modules=tuple(modules),
            conf=conf or {},
            timeout_seconds=timeout_seconds,
            overrides=overrides or {},
        )
        super().__init__(step=step, outputs=outputs, **kwargs)
