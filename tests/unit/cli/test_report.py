from __future__ import annotations

import io
import json
from datetime import datetime, timezone

import pytest
from rich.console import Console

from airflow_ml_provider.cli import report
from airflow_ml_provider.factories.trial import RunResult, TaskResult

METRICS = {
    "binary_classification_metrics": {
        "auc": {"value": 0.7348, "standard_deviation": 0.003},
        "auc_best_constant_classifier": {"value": 0.5, "standard_deviation": "NaN"},
        "confusion_matrix": {"0": {"0": 1}},
    },
    "version": 0.0,
}
DECISION = {
    "decision": True,
    "comparisons": [
        {
            "op": ">=",
            "left": {"task_id": "evaluate", "metric": ["m", "auc", "value"]},
            "right": {"param": "least_auc"},
            "left_value": 0.7348,
            "right_value": 0.62,
            "holds": True,
        }
    ],
}
RUN = RunResult(
    dag_id="flights",
    run_id="r",
    state="success",
    interval=(
        datetime(2013, 8, 29, tzinfo=timezone.utc),
        datetime(2013, 8, 30, tzinfo=timezone.utc),
    ),
    tasks=(
        TaskResult("extract", "success", 1.25, {"rows": 32440}),
        TaskResult("evaluate", "success", 3.0, {"job_id": "job-1"}, METRICS),
        TaskResult(
            "train",
            "success",
            9.0,
            {"ModelArtifacts": {"S3ModelArtifacts": "s3://lake/ml/train/model.tar.gz"}},
        ),
        TaskResult("gate", "success", 0.1, DECISION),
        TaskResult("register", "success", 0.1, {"ModelPackageArn": "arn:x:model-package/g/3"}),
        TaskResult("tell", "skipped", None),
    ),
)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120)


def test_a_run_shows_each_step_and_its_metrics(console):
    report.show_run(console, RUN, 12.3)
    text = console.file.getvalue()
    assert "flights for 2013-08-29 00:00 to 2013-08-30 00:00: success in 12 s" in text
    for words in ("32,440 rows", "job-1", "passed", "arn:x:model-package/g/3", "skipped"):
        assert words in text
    (auc,) = [line for line in text.splitlines() if "auc" in line]
    assert "0.7348" in auc
    assert "0.5000" in auc
    assert "confusion" not in text


def test_the_end_names_gate_version_and_places(console, tmp_path):
    failed = RunResult("flights", "r2", "failed", None, ())
    report.show_all(console, [RUN, failed], tmp_path, tmp_path / "jobs", 7)
    text = console.file.getvalue()
    assert "passed: auc 0.7348 >= least_auc 0.62" in text
    assert "model-package/g/3" in text
    assert f"Model of 2013-08-29: {tmp_path}/s3/lake/ml/train/model.tar.gz" in text
    assert "7 objects under" in text
    assert "1 of 2 runs failed" in text


def test_changes_are_told_once_they_matter(console):
    report.progress(console, TaskResult("a", "running", None))
    report.progress(console, TaskResult("b", "scheduled", None))
    report.progress(console, TaskResult("c", "failed", 1.0))
    assert [line.split() for line in console.file.getvalue().splitlines()] == [
        ["a", "running"],
        ["c", "failed"],
    ]


def test_the_same_as_json(tmp_path):
    report.save([RUN], tmp_path / "report.json")
    (run,) = json.loads((tmp_path / "report.json").read_text())
    assert run["tasks"][1]["report"] == METRICS
    assert run["interval"][0] == "2013-08-29 00:00:00+00:00"
