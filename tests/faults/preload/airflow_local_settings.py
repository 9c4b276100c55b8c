"""Imports once what every task imports: workers are forked from the scheduler, which reads this."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module

_AMAZON = "airflow.providers.amazon.aws"
if "scheduler" in sys.argv:
    for _name in (
        *("boto3", "airflow.sdk", f"{_AMAZON}.hooks.base_aws", f"{_AMAZON}.operators.sagemaker"),
        *(f"{_AMAZON}.operators.glue", f"{_AMAZON}.operators.emr"),
        *("airflow_ml_provider.operators.remote_job", "airflow_ml_provider.jobs.start"),
        *("airflow_ml_provider.aws.watcher", "airflow_ml_provider.aws.validation"),
    ):
        with suppress(ImportError):  # 2.11 has no SDK
            import_module(_name)
