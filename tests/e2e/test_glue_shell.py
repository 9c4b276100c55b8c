"""One extract by a Glue Python shell job, on all three targets: the bytes of a worker's extract."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

TARGETS = ("airflow", "step-functions", "sagemaker")
LAKE = Path("s3/airflow-ml/pipelines/shop/20260102T000000")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    file = tmp_path_factory.mktemp("shop") / "orders of 2026.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("create table orders (id integer, day text, amount text, note, shop)")
        rows = [
            (
                number,
                f"2026-01-0{1 + number % 3}T{number % 24:02}:00:00+00:00",
                f"{number}.{number % 100:02}",
                None if number % 5 else "ünï \"x\" 'y'",
                "--north's" if number % 2 else "south",
            )
            for number in range(6000)
        ]
        database.executemany("insert into orders values (?, ?, ?, ?, ?)", rows)
    return file


@pytest.fixture(scope="module", params=TARGETS)
def ran(request, airflow_ml, shop, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    done = airflow_ml(
        *("run", "shop@2026-01-02", "--target", request.param, "--home", home),
        *("--dags", Path(__file__).with_name("glue_shell_dags"), "--sqlite", f"shop={shop}"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return request.param, home / "runs/latest", home / "jobs"


def test_the_bytes_are_those_of_a_worker(ran):
    lake = ran[1] / LAKE
    by_glue, by_worker = (
        (lake / step / "output/part-00000.parquet").read_bytes()
        for step in ("by_glue", "by_worker")
    )
    assert by_glue == by_worker
    table = pq.read_table(lake / "by_glue/output/part-00000.parquet")
    assert table.num_rows == 1000
    assert table.column("note").null_count == 800


def test_a_glue_run_has_read_them(ran):
    _, _, jobs = ran
    (folder,) = jobs.glob("*/glue-job-run/*/*")
    assert folder.parent.name == "shop-by_glue"
    assert "step 'by_glue': 1,000 rows, " in (folder / "output.txt").read_text()


def test_its_arguments_hold_no_secret(ran, shop):
    for file in ran[1].glob("s3/**/*.json"):
        assert str(shop) not in file.read_text(), file


def test_the_generated_policy_is_enough_and_not_more(ran):
    target, latest, _ = ran
    file = latest / "unused_actions.json"
    if target == "airflow":  # what its worker may do is not held against a policy
        assert not file.exists()
        return
    ((_, unused),) = json.loads(file.read_text()).items()
    left = {one.partition(": ")[2] for one in unused if "Stop" not in one}
    assert left <= {"glue:GetJobRuns", "glue:UpdateJob"}
