"""Will a flight out of New York arrive more than a quarter of an hour late?

Every day: the day's flights are extracted from the warehouse, joined by Spark with the weather of
the hour before, and added to the history; a model is trained on the last weeks, judged on the last
seven days, and registered if it is better than the base rate. Copy this folder to begin your own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import (
    Choice,
    Dataset,
    Evaluation,
    Glue,
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

FOLDER = Path(__file__).parent
# One of SageMaker's own images: it brings XGBoost, pandas and scikit-learn.
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
HISTORY = Dataset("daily_flights")

# SQLite has no types for dates and times, and a column may be NULL all day.
FLIGHTS = {
    "flight_date": "date32",
    "time_hour": "timestamp[us, tz=UTC]",
    **dict.fromkeys(("carrier", "origin", "dest", "tailnum"), "string"),
    **dict.fromkeys(
        ("flight", "sched_dep_time", "sched_arr_time", "distance", "arr_delay"), "int64"
    ),
}
WEATHER = {
    "origin": "string",
    "time_hour": "timestamp[us, tz=UTC]",
    "wind_dir": "int64",
    **dict.fromkeys(
        ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
        "float64",
    ),
}
PLANES = {"tailnum": "string", "year": "int64", "seats": "int64"}

flights = SqlExtract("flights", conn_id="warehouse", query="sql/flights.sql", columns=FLIGHTS)
weather = SqlExtract("weather", conn_id="warehouse", query="sql/weather.sql", columns=WEATHER)
planes = SqlExtract("planes", conn_id="warehouse", query="sql/planes.sql", columns=PLANES)

daily = SparkTransform(
    "daily",
    script="jobs/daily.py",
    on=Glue(workers=2),
    inputs={"flights": flights.output, "weather": weather.output, "planes": planes.output},
    outputs=("window",),
    arguments={"history": HISTORY, "run_date": Run.DATE, "days": 35},
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
    metrics={
        "validation:auc": r"validation-auc=([0-9.]+);",
        "validation:logloss": r"validation-logloss=([0-9.]+);",
    },
)
scores = Evaluation(
    "evaluate",
    script="jobs/evaluate.py",
    image_uri=IMAGE,
    model=model.artifact,
    data=features["test"],
)
gate = Choice(
    "good_enough",
    (scores.metric("auc") >= Parameter("least_auc", 0.62)) & (scores.metric("skill") > 0),
    then=[RegisterModel("register", model=model, metrics=scores, group="flight-delays")],
    otherwise=[
        Notify(
            "tell_team",
            topic_arn="arn:aws:sns:us-east-1:123456789012:flight-delays",
            subject="The flight-delay model was not registered",
            message=Text(
                "{day}: AUC {auc}, skill {skill}",
                day=Run.DATE,
                auc=scores.metric("auc"),
                skill=scores.metric("skill"),
            ),
        )
    ],
)
pipeline = Pipeline(
    "flight_delays",
    root="s3://flight-delays/ml",
    folder=FOLDER,
    on_empty="fail",
    steps=[flights, weather, planes, daily, features, model, scores, gate],
)
dag = pipeline_dag(
    pipeline,
    schedule="@daily",
    start_date=datetime(2013, 1, 1, tzinfo=timezone.utc),
    end_date=datetime(2014, 1, 2, tzinfo=timezone.utc),
    # A day's window needs the history of the day before.
    max_active_runs=1,
    description="After flight_delays_history: trigger it with logical date 2013-08-30 12:00, "
    "for the data of 29 August",
    tags=["example"],
)

# The days before the first run, in one Spark job: the same steps over a longer interval.
since, until = Parameter("since", "2013-07-26"), Parameter("until", "2013-08-29")
days = {"data_interval_start": since, "data_interval_end": until}
history = Pipeline(
    "flight_delays_history",
    root="s3://flight-delays/ml",
    folder=FOLDER,
    keyed_by="execution",
    steps=[
        replace(flights, parameters=days),
        replace(weather, parameters=days),
        planes,
        replace(daily, outputs=(), arguments={"history": HISTORY, "run_date": until}),
    ],
)
history_dag = pipeline_dag(
    history,
    schedule=None,
    description="Trigger it first: the days before 29 August 2013",
    tags=["example"],
)
