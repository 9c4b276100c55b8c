"""The example as its user runs it: real data, real jobs, three days with both branches."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

DAYS = ("20130829T000000", "20130830T000000", "20130831T000000")


def tasks_of(run):
    return {task["task_id"]: task for task in run["tasks"]}


def test_every_run_succeeds_and_both_branches_are_taken(three_days):
    _, _, runs = three_days
    assert [run["state"] for run in runs] == ["success"] * 4
    branches = [
        {name: tasks_of(run)[name]["state"] for name in ("register", "tell_team")}
        for run in runs[1:]
    ]
    assert branches == [
        {"register": "success", "tell_team": "skipped"},
        {"register": "success", "tell_team": "skipped"},
        {"register": "skipped", "tell_team": "success"},
    ]


def test_each_run_has_the_interval_of_its_day(three_days):
    _, _, runs = three_days
    starts = [run["interval"][0][:10] for run in runs[1:]]
    assert starts == ["2013-08-29", "2013-08-30", "2013-08-31"]
    rows = [tasks_of(run)["flights"]["result"]["rows"] for run in runs]
    assert rows == [32440, 979, 965, 680]


def test_the_metrics_are_those_of_the_reports(three_days):
    home, printed, runs = three_days
    for run, day in zip(runs[1:], DAYS, strict=True):
        lake = home / "s3/flight-delays/ml/flight_delays" / day
        report = json.loads((lake / "evaluate/report/evaluation.json").read_text())
        assert tasks_of(run)["evaluate"]["report"] == report
        metrics = report["binary_classification_metrics"]
        assert 0.62 <= metrics["auc"]["value"] <= 0.8
        passed = metrics["auc"]["value"] >= 0.62 and metrics["skill"]["value"] > 0
        assert tasks_of(run)["good_enough"]["result"]["decision"] is passed
        assert f"{metrics['skill']['value']:.4f}" in printed


def test_the_model_is_registered_with_its_artifact(three_days):
    _, printed, runs = three_days
    arns = [
        tasks_of(run)["register"]["result"]["ModelPackageArn"]
        for run in runs[1:]
        if tasks_of(run)["register"]["state"] == "success"
    ]
    assert [arn.rsplit("/", 2)[1:] for arn in arns] == [
        ["flight-delays", "1"],
        ["flight-delays", "2"],
    ]
    assert "model-package/flight-delays/2" in printed


def test_the_artifacts_are_kept(three_days):
    home, _, runs = three_days
    for run in runs[1:]:
        uri = tasks_of(run)["train"]["result"]["ModelArtifacts"]["S3ModelArtifacts"]
        with tarfile.open(home / "s3" / uri.removeprefix("s3://")) as model:
            names = sorted(model.getnames())
        assert names == ["encoding.json", "model.json", "training.json"]


def test_a_backfill_gives_the_same_bytes_for_the_same_day(three_days, run_days, tmp_path):
    first, _, _ = three_days
    run_days("2013-08-29", home=tmp_path)
    day = Path("s3/flight-delays/ml/flight_delays", DAYS[0])
    files = [
        "flights/output/part-00000.parquet",
        "features/train/train.parquet",
        "features/validation/validation.parquet",
        "features/test/test.parquet",
        "evaluate/report/evaluation.json",
    ]
    for file in files:
        assert (tmp_path / "runs/latest" / day / file).read_bytes() == (
            first / day / file
        ).read_bytes(), file


def test_a_day_without_data_fails_with_the_reason(tmp_path, warehouse, airflow_ml):
    dags = Path(__file__).parents[2] / "dags"
    done = airflow_ml(
        *("run", "flight_delays@2014-01-01"),
        *("--dags", dags, "--home", tmp_path, "--sqlite", f"warehouse={warehouse}"),
    )
    assert done.returncode == 1
    (run,) = json.loads((tmp_path / "runs/latest/report.json").read_text())
    states = {name: task["state"] for name, task in tasks_of(run).items()}
    assert states["flights"] == "failed"
    assert states["daily"] == "upstream_failed"
    assert "on_empty" in (tmp_path / "runs/latest/airflow.log").read_text()
