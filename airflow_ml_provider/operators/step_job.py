"""A pipeline's step as one task of a hand-written DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import account
from airflow_ml_provider.operators.remote_job import RemoteJobOperator
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.plan.build import job
from airflow_ml_provider.plan.place import Place
from airflow_ml_provider.targets.airflow_values import Speller, codes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.pipeline.step import Step


class StepJobOperator(RemoteJobOperator):
    """Run the remote job that a step describes, with ``outputs`` at the given S3 prefixes.

    What the step leaves out comes from the section ``[airflow_ml_provider]`` of Airflow's config.

    :raises PipelineError: fields are missing; all are named.
    """

    def __init__(self, *, step: Step, outputs: Mapping[str, str], **kwargs: Any) -> None:
        folders = {name: f"{uri.rstrip('/')}/" for name, uri in outputs.items()}
        defaults = account()
        if step.missing:
            problems = [f"{name}: missing; give {name}=" for name in step.missing]
            raise PipelineError(f"task {step.name!r}", problems)
        node = job(step, Place(defaults, job_prefix="", outputs=folders))
        report = node.report
        super().__init__(
            task_id=step.name,
            kind=node.kind,
            request=Speller().template(node.request),
            code=codes_of(node.request),
            outputs=folders,
            report=f"{folders[report.output]}{report.file}" if report else None,
            timeout_seconds=node.timeout_seconds,
            **kwargs,
        )
