"""Pipelines of jobs that take a second: one that works, one that fails, one that never ends."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import (
    Choice,
    Evaluation,
    Notify,
    Pipeline,
    Processing,
    RegisterModel,
    Retry,
    SqlExtract,
    Training,
)

OPTIONS = {"root": "s3://lake/ml", "folder": Path(__file__).parent}
IMAGE = "python"

rows = SqlExtract(
    "rows",
    conn_id="warehouse",
    query="select day, x, y from points where day >= date(:data_interval_start) "
    "and day < date(:data_interval_end)",
)
never = Retry(attempts=0)
soon = Retry(interval_seconds=5)

halves = Processing(
    "halves",
    script="jobs/halves.py",
    image_uri=IMAGE,
    retry=soon,
    inputs={"rows": rows.output},
    outputs=("train", "test"),
)
model = Training(
    "train", script="jobs/train.py", image_uri=IMAGE, retry=soon, inputs={"train": halves["train"]}
)
scores = Evaluation(
    "evaluate",
    script="jobs/evaluate.py",
    image_uri=IMAGE,
    retry=soon,
    model=model.artifact,
    data=halves["test"],
    problem="regression",
)
gate = Choice(
    "good_enough",
    scores.metric("mae") <= 0.5,
    then=[RegisterModel("register", model=model, metrics=scores, group="points")],
    otherwise=[
        Notify("tell", topic_arn="arn:aws:sns:us-east-1:123456789012:team", message="refused")
    ],
)
works = pipeline_dag(
    Pipeline("works", steps=[rows, halves, model, scores, gate], **OPTIONS),
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    end_date=datetime(2026, 1, 9, tzinfo=timezone.utc),
)

fails = pipeline_dag(
    Pipeline(
        "fails",
        steps=[Processing("broken", script="jobs/broken.py", image_uri=IMAGE, retry=never)],
        **OPTIONS,
    )
)
waits = pipeline_dag(
    Pipeline(
        "waits",
        steps=[Processing("endless", script="jobs/endless.py", image_uri=IMAGE, retry=never)],
        **OPTIONS,
    )
)
