"""The six steps in dag-factory's YAML, with the operators of the Amazon provider."""

from __future__ import annotations

import os

from dagfactory import load_yaml_dags  # it makes what is an Airflow DAG

load_yaml_dags(globals_dict=globals(), config_filepath=os.environ["BENCH_YAML"])
