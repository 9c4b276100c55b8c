"""The example as its user runs it, once for all tests that look at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "dags"
# What a fresh machine has: no Java, no AWS account.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("AWS_", "AIRFLOW", "JAVA"))
}
ENVIRONMENT["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"


@pytest.fixture(scope="session")
def airflow_ml():
    def command(*arguments):
        return subprocess.run(
            [Path(sys.executable).with_name("airflow-ml"), *map(str, arguments)],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            check=False,
        )

    return command


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory):
    file = tmp_path_factory.mktemp("warehouse") / "flights.db"
    loader = DAGS / "flight_delays" / "warehouse.py"
    subprocess.run([sys.executable, loader, f"sqlite:///{file}"], check=True)
    return file


@pytest.fixture(scope="session")
def run_days(airflow_ml, warehouse, tmp_path_factory):
    """Run the history and days; give the folder of the runs, what was printed, the report."""

    def run(days, *options, home=None):
        home = home or tmp_path_factory.mktemp("home")
        done = airflow_ml(
            *("run", "flight_delays_history", f"flight_delays@{days}", *options),
            *("--dags", DAGS, "--home", home, "--sqlite", f"warehouse={warehouse}"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        latest = home / "runs/latest"
        return latest, done.stdout, json.loads((latest / "report.json").read_text())

    return run


@pytest.fixture(scope="session")
def three_days(run_days):
    return run_days("2013-08-29..2013-08-31")
