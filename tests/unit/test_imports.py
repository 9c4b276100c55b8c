"""A DAG file that uses the package pays for Airflow alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = """
import importlib, json, pkgutil, sys
import airflow_ml_provider
for folder in ("pipeline", "plan", "operators", "sensors", "triggers", "links", "factories"):
    package = importlib.import_module(f"airflow_ml_provider.{folder}")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "trial":
            importlib.import_module(f"{package.__name__}.{module.name}")
print(json.dumps(sorted(sys.modules)))
"""
HEAVY = {
    "airflow.providers.amazon.aws",
    "boto3",
    "botocore",
    "moto",
    "pandas",
    "pyarrow",
    "pyspark",
    "sagemaker",
}


def test_nothing_heavy_is_imported(tmp_path):
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert "airflow_ml_provider.operators.remote_job" in loaded
    assert not HEAVY & set(loaded)
