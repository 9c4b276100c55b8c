"""Operators, sensors and their links survive Airflow's serialisation of a DAG."""

from __future__ import annotations

import json
from datetime import date

import pytest

from airflow_ml_provider._compat import DAG
from airflow_ml_provider.operators.aws_call import AwsCallOperator
from airflow_ml_provider.operators.choice import ChoiceOperator
from airflow_ml_provider.operators.register_model import RegisterModelOperator
from airflow_ml_provider.operators.sql_extract import SqlExtractOperator
from airflow_ml_provider.operators.training import TrainingOperator
from airflow_ml_provider.pipeline import InRange
from airflow_ml_provider.sensors.dataset import DatasetSensor
from airflow_ml_provider.sensors.metric import MetricSensor
from airflow_ml_provider.sensors.model_approval import ModelApprovalSensor

try:
    from airflow.serialization.serialized_objects import DagSerialization as Serialized
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as Serialized


@pytest.fixture
def dag():
    with DAG("flights", schedule=None) as made:
        sensor = DatasetSensor(task_id="there", uri="s3://lake/flights/")
        extract = SqlExtractOperator(
            task_id="flights",
            conn_id="w",
            table="f",
            output="s3://lake/f/",
            watermark="at",
            history="s3://lake/_history/f.json",
            checks=[InRange("at", maximum=date(2026, 1, 1))],
            multiple_outputs=True,
        )
        train = TrainingOperator(
            task_id="train",
            script="train.py",
            image_uri="image",
            inputs={"train": extract.output["uri"]},
            output="s3://lake/model/",
            role_arn="arn:aws:iam::123456789012:role/ml",
        )
        gate = ChoiceOperator(
            task_id="gate",
            when={"op": ">", "left": {"task_id": "train", "metric": ["auc"]}, "right": 0.5},
            then=["register"],
            otherwise=["tell"],
        )
        register = RegisterModelOperator(
            task_id="register", group="g", model_data="s3://lake/m.tar.gz", image_uri="image"
        )
        tell = AwsCallOperator(
            task_id="tell", service="sns", action="publish", request={"Message": "no"}
        )
        sensor >> extract
        train >> gate >> [register, tell]
        register >> ModelApprovalSensor(task_id="approved", group="g")
        MetricSensor(task_id="skill", report="s3://l/r.json", metric=["auc"], op=">", value=0.5)
    return made


def test_round_trip(dag):
    there = Serialized.to_dict(dag)
    back = Serialized.from_dict(json.loads(json.dumps(there)))
    assert set(back.task_dict) == set(dag.task_dict)
    assert back.task_dict["flights"].checks == [
        {"check": "in_range", "column": "at", "maximum": "2026-01-01"}
    ]


def test_an_input_that_is_another_tasks_result_makes_the_order(dag):
    assert dag.get_task("train").upstream_task_ids == {"flights"}


def test_links_are_found_by_name(dag):
    names = {link.name for link in dag.get_task("train").operator_extra_links}
    assert names == {"AWS job", "AWS log"}


def test_operators_can_be_mapped():
    with DAG("mapped", schedule=None) as made:
        TrainingOperator.partial(
            task_id="train", script="t.py", image_uri="i", inputs={"a": "s3://l/"}, role_arn="arn"
        ).expand(output=["s3://lake/a/", "s3://lake/b/"])
    Serialized.to_dict(made)
