from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pytest reads the annotations

import pytest

from airflow_ml_provider.pipeline import (
    Choice,
    Dataset,
    Evaluation,
    Notify,
    Parameter,
    Pipeline,
    Processing,
    RegisterModel,
    Run,
    SparkTransform,
    SqlExtract,
    Text,
    Training,
)

TOPIC = "arn:aws:sns:us-east-1:123456789012:ml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs").mkdir()
    for name in ("daily", "features", "train", "evaluate", "common"):
        (tmp_path / "jobs" / f"{name}.py").write_text("print('hello')\n")
    (tmp_path / "flights.sql").write_text("select * from flights where day = :run_date")
    return tmp_path


@pytest.fixture
def steps() -> dict[str, object]:
    flights = SqlExtract("flights", conn_id="warehouse", query="flights.sql")
    daily = SparkTransform(
        "daily",
        script="jobs/daily.py",
        inputs={"flights": flights.output},
        outputs=("window",),
        arguments={"history": Dataset("daily"), "run_date": Run.DATE},
    )
    features = Processing(
        "features",
        script="jobs/features.py",
        image_uri="image",
        inputs={"window": daily.output},
        outputs=("train", "test"),
    )
    model = Training(
        "train",
        script="jobs/train.py",
        image_uri="image",
        inputs={"train": features["train"]},
        hyperparameters={"max_depth": Parameter("max_depth", 6)},
    )
    scores = Evaluation(
        "evaluate",
        script="jobs/evaluate.py",
        image_uri="image",
        model=model.artifact,
        data=features["test"],
    )
    gate = Choice(
        "good_enough",
        (scores.metric("auc") >= 0.62) & (scores.metric("skill") > 0),
        then=[RegisterModel("register", model=model, metrics=scores, group="flight-delays")],
        otherwise=[
            Notify(
                "tell_team", topic_arn=TOPIC, message=Text("AUC {auc}", auc=scores.metric("auc"))
            )
        ],
    )
    return {step.name: step for step in (flights, daily, features, model, scores, gate)}


@pytest.fixture
def pipeline(steps: dict[str, object], folder: Path) -> Pipeline:
    return Pipeline("flight_delays", root="s3://lake/ml/", folder=folder, steps=[*steps.values()])
