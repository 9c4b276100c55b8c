"""Runs pipelines of every shape on this Airflow, whose work is faked, and prints what became."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).parent
HOME = Path(sys.argv[1])
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "control_flow_dags"),
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
}

from airflow_ml_provider._compat import run_dag, task_instances  # noqa: E402
from airflow_ml_provider.factories import trial  # noqa: E402


def main() -> None:
    found = {}
    for name, dag in trial.prepare(HERE / "control_flow_dags").items():
        run = run_dag(dag, datetime(2026, 1, 2, tzinfo=timezone.utc), {})
        states = {
            f"{ti.task_id}[{ti.map_index}]" if ti.map_index >= 0 else ti.task_id: str(ti.state)
            for ti in task_instances(name, run.run_id)
        }
        found[name] = {"run": str(getattr(run.state, "value", run.state)), **states}
    (HOME / "found.json").write_text(json.dumps(found))


main()
