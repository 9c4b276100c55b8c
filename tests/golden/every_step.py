"""A pipeline that uses every step and every option; it is compiled, never run."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import (
    Approval,
    AwsCall,
    CategoricalRange,
    Choice,
    ContinuousRange,
    Dataset,
    EmrServerless,
    Evaluation,
    Fail,
    Glue,
    GluePythonShell,
    InRange,
    IntegerRange,
    Item,
    LambdaCall,
    Map,
    Model,
    Notify,
    NotNull,
    Parameter,
    Pipeline,
    Processing,
    RegisterModel,
    Report,
    Retry,
    RowCount,
    Run,
    SparkTransform,
    SqlExtract,
    Text,
    Transform,
    Tuning,
    Unique,
)

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ml:1"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ml"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/approvals"
SERVICE_ONLY = Retry(attempts=5, interval_seconds=10, jitter=True, errors=("service",))

orders = SqlExtract(
    "orders",
    conn_id="shop",
    query="select * from orders where day >= :run_date and shop = :shop",
    parameters={"shop": Parameter("shop", "it's {one}")},
    image_uri=IMAGE,
    requirements=("psycopg2-binary==2.9.10",),
    partitions=4,
    partition_by="id",
    watermark="at",
    watermark_delay_seconds=600,
    on_drift="evolve",
    checks=(
        RowCount(minimum=Parameter("least_rows", 1), maximum=10_000_000),
        NotNull("id", "day"),
        Unique("id"),
        InRange("day", minimum=Run.INTERVAL_START),
        InRange("amount", minimum=0, maximum=Decimal("999.99")),
    ),
    memory_mb=500,
)
rates = SqlExtract(
    "rates",
    conn_id="shop",
    table="rates",
    on=GluePythonShell(connections=("shop-vpc",)),
    requirements=("psycopg2-binary==2.9.10",),
    after=[orders],
)
glue = SparkTransform(
    "clean",
    script="jobs/job.py",
    on=Glue(workers=4),
    inputs={"orders": orders.output, "rates": rates.output},
    arguments={"history": Dataset("orders"), "days": Parameter("days", 28)},
    conf={"spark.sql.shuffle.partitions": "8"},
    retry=SERVICE_ONLY,
)
emr = SparkTransform(
    "join",
    script="jobs/job.py",
    on=EmrServerless(application_id=Parameter("application", "00abc123"), role_arn=None),
    inputs={"clean": glue.output},
)
features = Processing(
    "features",
    script="jobs/job.py",
    image_uri=IMAGE,
    inputs={"joined": emr.output},
    outputs=("train", "test", "quality"),
    arguments={"run": Run.KEY, "by": Text("{id} of {day}", id=Run.ID, day=Run.DATE)},
    environment={"LEVEL": Parameter("verbose", default=False)},
    report=Report("quality", "quality.json"),
    cache="P7D",
    retry=(SERVICE_ONLY,),
)
tune = Tuning(
    "tune",
    script="jobs/job.py",
    image_uri=IMAGE,
    inputs={"train": features["train"]},
    metrics={"auc": r"auc=([0-9.]+);"},
    hyperparameters={"rounds": Parameter("rounds", 100)},
    ranges={
        "eta": ContinuousRange(0.01, 0.5, scaling_type="Logarithmic"),
        "depth": IntegerRange(2, 8),
        "booster": CategoricalRange(("gbtree", "dart")),
    },
    objective="auc",
    max_jobs=8,
    parallel_jobs=2,
)
scores = Evaluation(
    "evaluate", script="jobs/job.py", image_uri=IMAGE, model=tune.artifact, data=features["test"]
)
model = Model("model", artifact=tune.artifact, image_uri=IMAGE)
batch = Transform("score", model=model, data=features["test"], after=[scores])
by_shop = Map(
    "by_shop",
    items=[{"name": "north", "least": 0.5}, {"name": "south", "least": 0.6}],
    concurrency=1,
    body=[
        Processing(
            "shop_report",
            script="jobs/job.py",
            image_uri=IMAGE,
            inputs={"scores": batch.output},
            arguments={"shop": Item("by_shop", ("name",))},
        )
    ],
)
register = RegisterModel("register", model=tune, metrics=scores, group="orders")
gate = Choice(
    "good_enough",
    (scores.metric("auc") >= Parameter("least_auc", 0.7))
    & ~(scores.metric("log_loss") > 0.6)
    & (features.metric("rows") > 1000),
    then=[register, Approval("approved", model=register, queue_url=QUEUE)],
    otherwise=[Fail("not_good", message=Text("AUC is {auc}", auc=scores.metric("auc")))],
)
announce = LambdaCall(
    "announce",
    function="arn:aws:lambda:eu-west-1:123456789012:function:announce",
    payload={"day": Run.DATE, "auc": scores.metric("auc")},
    after=[gate],
    fallback=[Notify("tell_team", topic_arn=TOPIC, message="The announcement failed.")],
)
mark = AwsCall(
    "mark",
    service="ssm",
    action="put_parameter",
    request={"Name": "/orders/last", "Value": Run.KEY, "Type": "String", "Overwrite": True},
    after=[announce, by_shop],
)
pipeline = Pipeline(
    "every_step",
    folder=Path(__file__).parent,
    on_empty="fail",
    steps=[
        *(orders, rates, glue, emr, features, tune, scores, model, batch),
        *(by_shop, gate, announce, mark),
    ],
)
dag = pipeline_dag(pipeline, schedule="30 4 * * 1")
