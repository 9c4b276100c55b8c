"""The six steps as pipelines."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import (
    Dataset,
    Evaluation,
    Glue,
    Parameter,
    Pipeline,
    Processing,
    RegisterModel,
    Run,
    SparkTransform,
    SqlExtract,
    Training,
)

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"


def make(number: int) -> object:
    flights = SqlExtract("flights", conn_id="warehouse", query="sql/flights.sql")
    daily = SparkTransform(
        "daily",
        script="jobs/daily.py",
        on=Glue(workers=2),
        inputs={"flights": flights.output},
        outputs=("window",),
        arguments={"history": Dataset("daily_flights"), "run_date": Run.DATE, "days": 35},
    )
    features = Processing(
        "features",
        script="jobs/features.py",
        image_uri=IMAGE,
        inputs={"window": daily["window"]},
        outputs=("train", "validation", "test"),
    )
    model = Training(
        "train",
        script="jobs/train.py",
        image_uri=IMAGE,
        inputs={"train": features["train"], "validation": features["validation"]},
        hyperparameters={"max_depth": Parameter("max_depth", 4), "eta": 0.1, "num_round": 300},
        metrics={"validation:auc": r"validation-auc=([0-9.]+);"},
    )
    scores = Evaluation(
        "evaluate",
        script="jobs/evaluate.py",
        image_uri=IMAGE,
        model=model.artifact,
        data=features["test"],
    )
    register = RegisterModel("register", model=model, metrics=scores, group="flight-delays")
    pipeline = Pipeline(
        f"ours_{number}",
        root="s3://flight-delays/ml",
        folder=os.environ["BENCH_FOLDER"],
        steps=[flights, daily, features, model, scores, register],
    )
    start = datetime(2013, 8, 1, tzinfo=timezone.utc)
    return pipeline_dag(pipeline, schedule="@daily", start_date=start)


for count in range(int(os.environ["BENCH_DAGS"])):
    globals()[f"dag_{count}"] = make(count)
