from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import (
    Evaluation,
    JobField,
    Metric,
    Output,
    Processing,
    Report,
    SqlExtract,
    Training,
)


def test_a_step_refers_to_its_outputs():
    step = Processing("features", script="f.py", image_uri="i", outputs=("train", "test"))
    assert step["train"] == Output("features", "train")
    with pytest.raises(AttributeError, match=r"has not one output \(train, test\)"):
        _ = step.output
    assert SqlExtract("rows", conn_id="db", table="t").output == Output("rows", "output")


def test_short_metrics_follow_the_model_quality_form():
    scores = Evaluation("evaluate", script="e.py", image_uri="i", model="m", data="d")
    assert scores.metric("auc") == Metric(
        "evaluate", ("binary_classification_metrics", "auc", "value")
    )
    assert scores.metric("regression_metrics", "mae", "value").path == (
        "regression_metrics",
        "mae",
        "value",
    )


def test_a_report_without_section_is_read_from_its_top():
    step = Processing("p", script="p.py", image_uri="i", report=Report("output", "r.json"))
    assert step.metric("rows") == Metric("p", ("rows",))


def test_fields_of_the_finished_job():
    model = Training("train", script="t.py", image_uri="i", inputs={"train": "s3://bucket/x"})
    assert model.artifact == JobField("train", ("ModelArtifacts", "S3ModelArtifacts"))
    assert model.field("TrainingJobArn") == JobField("train", ("TrainingJobArn",))
