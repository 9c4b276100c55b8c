"""Run every example DAG by ``dag.test()`` against a local AWS; for the Python of any environment.

Ends with 1 if a run failed, or if the folder has other DAGs than those that are run here.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone

from airflow_ml_provider.cli import laptop

# In this order; the second needs what the first publishes, and is for the data of 29 August.
RUNS = {
    "flight_delays_history": datetime(2013, 8, 29, tzinfo=timezone.utc),
    "flight_delays": datetime(2013, 8, 30, tzinfo=timezone.utc),
}
# The model of that day passes its gate.
NOT_RUN = {"flight_delays": {"tell_team"}}


def main() -> None:
    """Run them, and print what came of it in one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint_url")
    laptop.add_arguments(parser)
    args = parser.parse_args()
    laptop.enter(laptop.settings(args, args.endpoint_url))
    # Airflow reads its settings when it is imported.
    from airflow_ml_provider.factories import trial  # noqa: PLC0415

    dags = trial.prepare(args.dags.absolute())
    if set(dags) != set(RUNS):
        sys.exit(f"{args.dags} has the DAGs {sorted(dags)}, this runs {sorted(RUNS)}")
    said = []
    for dag_id, when in RUNS.items():
        laptop.prepare_account(args.endpoint_url, *trial.resources(dags[dag_id]))
        run = trial.run(dags[dag_id], when)
        skipped = NOT_RUN.get(dag_id, set())
        wrong = [
            f"{task.task_id} is {task.state}"
            for task in run.tasks
            if task.state != ("skipped" if task.task_id in skipped else "success")
        ]
        if wrong or not run.succeeded:
            sys.exit(f"{dag_id} is {run.state}: {', '.join(wrong)}")
        rows = sum(task.result["rows"] for task in run.tasks if "rows" in (task.result or {}))
        said.append(f"{dag_id}: {len(run.tasks)} tasks, {rows} rows")
    print("; ".join(said))  # noqa: T201 - a program


if __name__ == "__main__":
    main()
