"""Every operation that the local AWS answers itself; all others are moto's.

A new kind of job is one module with ``operations(cloud)`` and its line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.local import (
    create_once,
    emr_serverless,
    glue,
    glue_jobs,
    lambda_functions,
    log_search,
    pipelines,
    processing,
    sagemaker_tags,
    step_functions,
    training,
    transform,
    tuning,
)

if TYPE_CHECKING:
    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.protocol import Operation, Operations

MODULES = (
    *(training, processing, transform, tuning, sagemaker_tags, create_once),
    *(glue, glue_jobs, emr_serverless, lambda_functions, log_search, step_functions, pipelines),
)


def operations(cloud: Cloud) -> Operations:
    """Return all operations of all modules, by service and operation name."""
    found: dict[tuple[str, str], Operation] = {}
    for module in MODULES:
        found.update(module.operations(cloud))
    return found
