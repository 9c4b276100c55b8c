"""The same rows twice: read by a Glue job, and by what the orchestrator has."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import (
    GluePythonShell,
    NotNull,
    Parameter,
    Pipeline,
    RowCount,
    SqlExtract,
    Unique,
)

ROWS: dict[str, Any] = {
    "conn_id": "shop",
    "query": """
        select id, day, amount, note from orders
        where day >= :data_interval_start and day < :data_interval_end and shop = :shop
    """,
    "parameters": {"shop": Parameter("shop", "--north's")},
    "columns": {
        "id": "int64",
        "day": "timestamp[us, tz=UTC]",
        "amount": "decimal128(12, 2)",
        "note": "string",
    },
    "checks": (RowCount(minimum=1), NotNull("id", "day"), Unique("id")),
}
steps = [
    SqlExtract("by_glue", on=GluePythonShell(), **ROWS),
    SqlExtract("by_worker", **ROWS),
]
dag = pipeline_dag(
    Pipeline("shop", steps, on_empty="fail"),
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
)
