"""Every kind of job, and everything else that can be waited for, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.jobs.dataset_published import DATASET_PUBLISHED
from airflow_ml_provider.jobs.emr_serverless import EMR_SERVERLESS
from airflow_ml_provider.jobs.errors import UnknownKindError
from airflow_ml_provider.jobs.glue import GLUE
from airflow_ml_provider.jobs.model_package_status import MODEL_PACKAGE_STATUS
from airflow_ml_provider.jobs.report_metric import REPORT_METRIC
from airflow_ml_provider.jobs.sagemaker import PROCESSING, TRAINING, TRANSFORM, TUNING
from airflow_ml_provider.jobs.sagemaker_pipeline import SAGEMAKER_PIPELINE
from airflow_ml_provider.jobs.state_machine import STATE_MACHINE

if TYPE_CHECKING:
    from airflow_ml_provider.jobs.kind import JobKind, Watchable

KINDS: dict[str, JobKind] = {
    "sagemaker_training": TRAINING,
    "sagemaker_processing": PROCESSING,
    "sagemaker_transform": TRANSFORM,
    "sagemaker_tuning": TUNING,
    "glue": GLUE,
    "emr_serverless": EMR_SERVERLESS,
    "step_functions_execution": STATE_MACHINE,
    "sagemaker_pipeline_execution": SAGEMAKER_PIPELINE,
}
WATCHABLES: dict[str, Watchable] = {
    **KINDS,
    "dataset_published": DATASET_PUBLISHED,
    "model_package_status": MODEL_PACKAGE_STATUS,
    "report_metric": REPORT_METRIC,
}


def kind(name: str) -> JobKind:
    """Give the kind of job that has this name.

    :raises UnknownKindError: there is none; the error names those there are.
    """
    if name not in KINDS:
        raise UnknownKindError(name, KINDS)
    return KINDS[name]


def watchable(name: str) -> Watchable:
    """Give what can be waited for under this name: a kind of job, a dataset, an approval, a metric.

    :raises UnknownKindError: there is none; the error names those there are.
    """
    if name not in WATCHABLES:
        raise UnknownKindError(name, WATCHABLES)
    return WATCHABLES[name]
