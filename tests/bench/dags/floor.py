"""What Airflow itself costs: six tasks that do nothing."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

TASKS = ("flights", "daily", "features", "train", "evaluate", "register")


def make(number: int) -> DAG:
    with DAG(
        f"floor_{number}",
        schedule="@daily",
        start_date=datetime(2013, 8, 1, tzinfo=timezone.utc),
        catchup=False,
    ) as dag:
        flights, daily, features, model, scores, register = (
            EmptyOperator(task_id=name) for name in TASKS
        )
        flights >> daily >> features >> model >> register
        [model, features] >> scores >> register
    return dag


for count in range(int(os.environ["BENCH_DAGS"])):
    globals()[f"dag_{count}"] = make(count)
