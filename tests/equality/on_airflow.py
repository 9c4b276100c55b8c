"""Runs drawn pipelines with Airflow's own `dag.test`, in this process."""

from __future__ import annotations

import os
import warnings
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import migrate_database, run_dag
from airflow_ml_provider.factories import pipeline_dag

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_ml_provider.pipeline import Pipeline


def prepare() -> None:
    """Make the metadata database; the environment names it."""
    migrate_database()
    module = import_module("airflow.dag_processing.bundles.manager")
    module.DagBundlesManager().sync_bundles_to_db()


def run(pipeline: Pipeline, start: datetime, parameters: dict[str, Any]) -> bool:
    """Run it once for the day that begins at `start`, and tell whether it succeeded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own imports warn of each other
        dag = pipeline_dag(pipeline, schedule="@daily", start_date=start, deferrable=False)
        module = import_module("airflow.dag_processing.dagbag")
        bag = module.DagBag(os.devnull, collect_dags=False)
        bag.bag_dag(dag)
        module.sync_bag_to_db(bag, "dags-folder", None)
        # A daily run starts when its day is over.
        return str(run_dag(dag, start + timedelta(days=1), parameters).state) == "success"
