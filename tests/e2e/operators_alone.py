"""Run the DAG of ``alone/`` in this process; prints states and results of its tasks as JSON.

A program, not a test: Airflow reads AIRFLOW_HOME when it is imported.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

from airflow_ml_provider._compat import load_dags, migrate_database, run_dag, task_instances


def main() -> None:
    migrate_database()
    dags, errors = load_dags(Path(__file__).parent / "alone")
    if errors:
        raise SystemExit(str(errors))
    run = run_dag(dags["alone"], datetime(2026, 1, 2, tzinfo=timezone.utc), {})
    tasks = {
        ti.task_id: {
            "state": str(ti.state),
            "result": ti.xcom_pull(ti.task_id),
            "link": ti.xcom_pull(ti.task_id, key="aws_job_link"),
        }
        for ti in task_instances("alone", run.run_id)
    }
    print("TASKS " + json.dumps(tasks, default=str))  # noqa: T201


if __name__ == "__main__":
    main()
