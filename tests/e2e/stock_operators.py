"""Run the stock Amazon operators in one DAG; prints the states of its tasks as JSON.

A program, not a test: Airflow reads AIRFLOW_HOME when it is imported.
Arguments: the requests as JSON, and whether the operators defer.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerProcessingOperator,
    SageMakerTrainingOperator,
)
from airflow.sdk import DAG

DAG_ID = "stock"


def main(requests_json: str, mode: str) -> None:
    requests = json.loads(requests_json)
    deferrable = mode == "deferrable"
    with DAG(DAG_ID, start_date=datetime(2024, 1, 1, tzinfo=timezone.utc), schedule=None) as dag:
        SageMakerTrainingOperator(
            task_id="training",
            config=requests["training"],
            print_log=not deferrable,
            check_interval=1,
            action_if_job_exists="fail",
            deferrable=deferrable,
        )
        SageMakerProcessingOperator(
            task_id="processing",
            config=requests["processing"],
            check_interval=1,
            action_if_job_exists="fail",
            deferrable=deferrable,
        )
        GlueJobOperator(
            task_id="glue",
            job_name=requests["glue"],
            verbose=not deferrable,
            job_poll_interval=1,
            waiter_delay=1,
            deferrable=deferrable,
        )
        EmrServerlessStartJobOperator(
            task_id="emr",
            waiter_delay=1,
            deferrable=deferrable,
            **requests["emr"],
        )
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag("/dev/null")
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    run = dag.test()
    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    print("STATES " + json.dumps(states))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
