"""Every operator and sensor in a hand-written DAG, without a pipeline."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from airflow_ml_provider._compat import DAG
from airflow_ml_provider.operators.aws_call import AwsCallOperator
from airflow_ml_provider.operators.choice import ChoiceOperator
from airflow_ml_provider.operators.evaluation import EvaluationOperator
from airflow_ml_provider.operators.processing import ProcessingOperator
from airflow_ml_provider.operators.register_model import RegisterModelOperator
from airflow_ml_provider.operators.spark import SparkOperator
from airflow_ml_provider.operators.sql_extract import SqlExtractOperator
from airflow_ml_provider.operators.training import TrainingOperator
from airflow_ml_provider.pipeline import EmrServerless
from airflow_ml_provider.sensors.dataset import DatasetSensor
from airflow_ml_provider.sensors.metric import MetricSensor
from airflow_ml_provider.sensors.model_approval import ModelApprovalSensor

LAKE = "s3://lake/{{ run_id | replace(':', '-') }}"
AUC = ("binary_classification_metrics", "auc", "value")
deferrable = os.environ["DEFERRABLE"] == "yes"
defaults = {"deferrable": deferrable, "poll_seconds": 5, "aws_conn_id": None, "retries": 0}

with DAG(
    "alone",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args=defaults,
) as dag:
    flights = SqlExtractOperator(
        task_id="flights",
        conn_id="warehouse",
        query="select * from flights where carrier = :carrier",
        parameters={"carrier": "UA"},
        output=f"{LAKE}/flights/",
        multiple_outputs=True,
    )
    there = DatasetSensor(task_id="there", uri=f"{LAKE}/flights/", timeout=60)
    spark = SparkOperator(
        task_id="daily",
        script="daily.py",
        inputs={"flights": flights.output["uri"]},
        outputs={"copy": f"{LAKE}/copy/"},
    )
    again = SparkOperator(
        task_id="again",
        script="daily.py",
        on=EmrServerless(os.environ["EMR_APPLICATION"]),
        inputs={"flights": f"{LAKE}/copy/"},
        outputs={"copy": f"{LAKE}/again/"},
    )
    counts = ProcessingOperator(
        task_id="counts",
        script="copy_rows.py",
        image_uri="python",
        inputs={"flights": f"{LAKE}/again/"},
        outputs={"counts": f"{LAKE}/counts/"},
    )
    train = TrainingOperator(
        task_id="train",
        script="train.py",
        image_uri="python",
        inputs={"counts": f"{LAKE}/counts/"},
        output=f"{LAKE}/model/",
        hyperparameters={"max_depth": 6},
    )
    model = "{{ ti.xcom_pull('train')['ModelArtifacts']['S3ModelArtifacts'] }}"
    evaluate = EvaluationOperator(
        task_id="evaluate",
        script="evaluate.py",
        image_uri="python",
        model=model,
        data=f"{LAKE}/copy/",
        output=f"{LAKE}/report/",
    )
    skill = MetricSensor(
        task_id="skill",
        report=f"{LAKE}/report/evaluation.json",
        metric=AUC,
        op=">",
        value=0.5,
        timeout=60,
    )
    gate = ChoiceOperator(
        task_id="gate",
        when={"op": ">=", "left": {"task_id": "evaluate", "metric": list(AUC)}, "right": 0.6},
        then=["register"],
        otherwise=["tell"],
    )
    register = RegisterModelOperator(
        task_id="register",
        group="flights",
        model_data=model,
        image_uri="python",
        report=f"{LAKE}/report/evaluation.json",
        approval_status="Approved",
    )
    approved = ModelApprovalSensor(
        task_id="approved",
        model_package_arn="{{ ti.xcom_pull('register')['ModelPackageArn'] }}",
        timeout=60,
    )
    tell = AwsCallOperator(
        task_id="tell", service="sns", action="publish", request={"Message": "refused"}
    )
    flights >> there >> spark >> again >> counts >> train >> evaluate >> skill >> gate
    gate >> [register, tell]
    register >> approved
