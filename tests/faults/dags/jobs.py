"""A DAG of one task for each file of ``$FAULTS_DAGS``; a task's process makes its own alone."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path

from airflow_ml_provider._compat import DAG

try:
    from airflow.sdk import get_parsing_context
except ImportError:  # 2.11
    from airflow.utils.dag_parsing_context import get_parsing_context

for file in Path(os.environ["FAULTS_DAGS"]).glob(f"{get_parsing_context().dag_id or '*'}.json"):
    told = json.loads(file.read_text())
    module, _, name = told["operator"].rpartition(".")
    with DAG(
        file.stem,
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        max_active_runs=100,
    ) as dag:
        getattr(import_module(module), name)(
            task_id="job", retry_delay=timedelta(seconds=told["retry_seconds"]), **told["arguments"]
        )
    globals()[file.stem] = dag
