"""Parsing the example loads Airflow and this package, and nothing that a job needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # up to 3.1
    from airflow.models.dagbag import DagBag
bag = DagBag(sys.argv[1])
print(json.dumps([sorted(bag.dags), bag.import_errors, sorted(sys.modules)]))
"""
HEAVY = {
    "airflow.providers.amazon.aws",  # what is above it is loaded by Airflow to know its providers
    "airflow_ml_provider.jobs.registry",
    "boto3",
    "botocore",
    "moto",
    "pandas",
    "pyarrow",
    "pyspark",
    "sagemaker",
}


def test_parsing_the_example_loads_nothing_heavy(flight_delays, tmp_path):
    command = [sys.executable, "-c", SCRIPT, flight_delays / "flight_delays.py"]
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__AIRFLOW_ML_PROVIDER__ROLE_ARN": "arn:aws:iam::123456789012:role/ml",
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    dags, errors, loaded = json.loads(done.stdout.splitlines()[-1])
    assert errors == {}
    assert dags == ["flight_delays", "flight_delays_history"]
    assert "airflow_ml_provider.operators.remote_job" in loaded
    assert not HEAVY & set(loaded)
