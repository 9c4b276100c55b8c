"""What a DAG run says of itself: the values of ``pipeline.values.Run``.

The functions are macros of the DAGs that the factories make; they take Airflow's ``dag_run`` of
any version.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.values import interval_key, iso_utc

if TYPE_CHECKING:
    from datetime import datetime

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_HASH_LENGTH = 8


def run_key(dag_run: Any, keyed_by: str = "interval") -> str:
    """Name the run in S3 paths: the start of its data interval as ``YYYYMMDDTHHMMSS`` in UTC.

    A run without an interval (started by hand through the API) or keyed by ``execution`` is named
    by its run id, made safe for a path, and a hash that keeps two such ids apart.
    """
    start = dag_run.data_interval_start
    if keyed_by == "interval" and start is not None:
        return interval_key(start)
    digest = hashlib.sha256(dag_run.run_id.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{_UNSAFE.sub('-', dag_run.run_id).strip('-')}-{digest}"


def run_date(dag_run: Any) -> str:
    """Give the day of :func:`interval_start` as ``YYYY-MM-DD``."""
    return interval_start(dag_run)[:10]


def interval_start(dag_run: Any) -> str:
    """Give the start of the data interval in ISO 8601, UTC; without one, the start of the run."""
    return iso_utc(dag_run.data_interval_start or _began(dag_run))


def interval_end(dag_run: Any) -> str:
    """Give the end of the data interval in ISO 8601, UTC; without one, the start of the run."""
    return iso_utc(dag_run.data_interval_end or _began(dag_run))


def _began(dag_run: Any) -> datetime:
    began: datetime = dag_run.start_date or dag_run.run_after
    return began
