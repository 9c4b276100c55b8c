"""A DAG of one task for each entry of ``$STOP_DAGS``, for any version of Airflow."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone

from airflow_ml_provider._compat import DAG
from airflow_ml_provider.operators.remote_job import RemoteJobOperator

try:
    from airflow.sdk import get_parsing_context
except ImportError:  # 2.11
    from airflow.utils.dag_parsing_context import get_parsing_context


def _span(seconds):
    return None if seconds is None else timedelta(seconds=seconds)


wanted = get_parsing_context().dag_id
for told in json.loads(os.environ["STOP_DAGS"]):
    if wanted not in {None, told["dag_id"]}:
        continue
    with DAG(
        told["dag_id"],
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        dagrun_timeout=_span(told["dagrun_timeout"]),
    ) as dag:
        arguments = {
            **told["arguments"],
            "task_id": "job",
            "retry_delay": timedelta(0),
            "poll_seconds": 1,
            "execution_timeout": _span(told["execution_timeout"]),
        }
        if told["mapped"]:
            # One request for each, and the same.
            RemoteJobOperator.partial(**arguments).expand(
                request=[told["request"]] * told["mapped"]
            )
        else:
            RemoteJobOperator(**arguments, request=told["request"])
    globals()[told["dag_id"]] = dag
