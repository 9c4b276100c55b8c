"""A step that fails twice: what `airflow-ml run` says meanwhile and in the end, on each target."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

DAG = """
from datetime import datetime
from pathlib import Path

from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import Pipeline, Processing, Retry, SqlExtract

rows = SqlExtract("rows", conn_id="shop", table="orders")
bad = Processing("bad", script="bad.py", image_uri="i:1", retry=Retry(1, interval_seconds=2))
good = Pipeline("told", [rows, bad], root="s3://lake/ml", folder=Path(__file__).parent)
dag = pipeline_dag(good, schedule="@daily", start_date=datetime(2013, 8, 1))
"""
RETRY = re.compile(
    r"  bad: try 1 of 2 failed: .*AlgorithmError: no \[red\] luck.*; the next one in 2 s"
)


@pytest.fixture(scope="module", params=["airflow", "step-functions", "sagemaker"])
def on_target(request, tmp_path_factory):
    """Run it; give the target, what was printed, the report and all other files' folder."""
    folder = tmp_path_factory.mktemp("told")
    dags, home, shop = folder / "dags", folder / "home", folder / "shop.db"
    dags.mkdir()
    (dags / "told.py").write_text(DAG)
    (dags / "bad.py").write_text("raise SystemExit('no [red] luck')\n")
    with closing(sqlite3.connect(shop)) as connection:
        connection.execute("create table orders as select 1 as id")
        connection.commit()
    connection = {"conn_type": "sqlite", "host": str(shop)}
    if request.param != "airflow":  # its hook opens no file with a password
        connection["password"] = "sEcReT"
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("airflow-ml"), "run", "told@2013-08-29"),
            *("--target", request.param, "--dags", dags, "--home", home),
        ],
        env={**os.environ, "AIRFLOW_CONN_SHOP": json.dumps(connection)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads((home / "runs/latest/report.json").read_text())
    return request.param, done.stdout + done.stderr, report[0], home


def test_the_extract_has_the_connection_of_the_environment(on_target):
    target, printed, report, home = on_target
    (rows,) = [step for step in report.get("steps", report.get("tasks")) if "rows" in step.values()]
    assert (rows.get("status") or rows["state"]).lower().startswith("succ"), (target, printed)
    files = [file for file in home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert "sEcReT" not in printed
    assert not [file for file in files if b"sEcReT" in file.read_bytes()]


def test_a_pause_is_told_where_it_can_be_seen(on_target):
    target, printed, _, _ = on_target
    told = [line for line in printed.splitlines() if RETRY.fullmatch(line)]
    assert len(told) == (0 if target == "sagemaker" else 1), printed


def test_the_step_is_told_as_failed(on_target):
    target, printed, report, _ = on_target
    if target == "airflow":
        assert {task["task_id"]: task["state"] for task in report["tasks"]}["bad"] == "failed"
        return
    (bad,) = [step for step in report["steps"] if step["name"] == "bad"]
    assert bad["status"] == "Failed", printed
    assert "AlgorithmError: no [red] luck" in bad["reason"]
    assert re.search(r"bad +│ Failed .*AlgorithmError: no \[red\]", printed), printed
