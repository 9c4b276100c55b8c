"""Pipelines of jobs that take a second: two that work, one that fails, two that never end."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import (
    Approval,
    Choice,
    Evaluation,
    Item,
    LambdaCall,
    Map,
    Notify,
    Pipeline,
    Processing,
    RegisterModel,
    Report,
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

judge = Processing(
    "judge",
    script="jobs/judge.py",
    image_uri=IMAGE,
    retry=soon,
    arguments={"score": Item("each", ("score",))},
    outputs=("report",),
    report=Report("report", "report.json"),
)
keep = LambdaCall("keep", "echo", {"name": Item("each", ("name",))}, retry=soon)
each = Map(
    "each",
    [{"name": "poor", "score": 0.1}, {"name": "fine", "score": 0.9}],
    [judge, Choice("fine", judge.metric("score") > 0.5, then=[keep])],
    concurrency=1,
)
fragile = Processing(
    "fragile",
    script="jobs/broken.py",
    image_uri=IMAGE,
    retry=never,
    fallback=[LambdaCall("repair", "echo", {"of": "fragile"}, retry=soon)],
)
fitted = Training(
    "fit",
    script="jobs/train.py",
    image_uri=IMAGE,
    retry=soon,
    inputs={"train": "s3://lake/points/"},
)
version = RegisterModel("version", model=fitted, group="approved")
approved = Approval("approved", model=version, poll_seconds=1)
last = LambdaCall("last", "echo", {"said": "all"}, retry=soon, after=[each, fragile, approved])
shapes = pipeline_dag(
    Pipeline("shapes", steps=[each, fragile, fitted, version, approved, last], **OPTIONS)
)

hold = Processing("hold", script="jobs/endless.py", image_uri=IMAGE, retry=never)
holds = pipeline_dag(Pipeline("holds", steps=[Map("all", ["a", "b"], [hold])], **OPTIONS))
