from __future__ import annotations

import pytest

from airflow_ml_provider.operators.evaluation import EvaluationOperator
from airflow_ml_provider.operators.processing import ProcessingOperator
from airflow_ml_provider.operators.sagemaker_pipeline import SageMakerPipelineOperator
from airflow_ml_provider.operators.spark import SparkOperator
from airflow_ml_provider.operators.state_machine import StateMachineOperator
from airflow_ml_provider.operators.training import TrainingOperator
from airflow_ml_provider.operators.transform import TransformOperator
from airflow_ml_provider.operators.tuning import TuningOperator
from airflow_ml_provider.pipeline import (
    EmrServerless,
    Glue,
    IntegerRange,
    PipelineError,
    Report,
)
from airflow_ml_provider.pipeline.values import Code

ROLE = "arn:aws:iam::123456789012:role/ml"


@pytest.fixture(autouse=True)
def configured(monkeypatch):
    monkeypatch.setenv("AIRFLOW__AIRFLOW_ML_PROVIDER__ROLE_ARN", ROLE)


def test_spark_on_glue():
    task = SparkOperator(
        task_id="daily",
        script="jobs/daily.py",
        on=Glue(workers=5),
        inputs={"flights": "s3://lake/flights/"},
        outputs={"window": "s3://lake/window"},
        arguments={"date": "{{ ds }}"},
    )
    assert task.kind == "glue"
    assert task.request["JobName"] == "daily"
    assert task.request["NumberOfWorkers"] == 5
    arguments = task.request["Arguments"]
    assert arguments["--flights"] == "s3://lake/flights/"
    assert arguments["--window"] == "s3://lake/window/"
    assert arguments["--date"] == "{{ ds }}"
    assert task.code == {arguments["--scriptLocation"]: Code(("jobs/daily.py",), "file")}
    assert task.outputs == {"window": "s3://lake/window/"}


def test_spark_on_emr_serverless_with_its_own_role():
    task = SparkOperator(
        task_id="daily", script="daily.py", on=EmrServerless("app", role_arn="arn:own")
    )
    assert task.kind == "emr_serverless"
    assert task.request["executionRoleArn"] == "arn:own"


def test_processing_with_a_report():
    task = ProcessingOperator(
        task_id="check",
        script="check.py",
        image_uri="image",
        outputs={"report": "s3://lake/check"},
        metrics_report=Report("report", "quality.json"),
        instance_type="ml.m5.large",
    )
    assert task.kind == "sagemaker_processing"
    assert task.report == "s3://lake/check/quality.json"
    cluster = task.request["ProcessingResources"]["ClusterConfig"]
    assert cluster["InstanceType"] == "ml.m5.large"


def test_training():
    task = TrainingOperator(
        task_id="train",
        script="train.py",
        image_uri="image",
        inputs={"train": "s3://lake/train/"},
        output="s3://lake/model",
        hyperparameters={"max_depth": 6},
        timeout_seconds=60,
        overrides={"EnableManagedSpotTraining": False},
        retries=2,
    )
    assert task.kind == "sagemaker_training"
    assert task.request["RoleArn"] == ROLE
    assert task.request["OutputDataConfig"]["S3OutputPath"] == "s3://lake/model/"
    assert task.request["HyperParameters"]["max_depth"] == "6"
    assert task.request["EnableManagedSpotTraining"] is False
    assert (task.timeout_seconds, task.retries) == (60, 2)


def test_transform():
    task = TransformOperator(
        task_id="predict",
        model_name="{{ params.model }}",
        data="s3://lake/new/",
        output="s3://lake/predictions",
        strategy="SingleRecord",
        max_concurrent=2,
        environment={"A": "b"},
        overrides={"MaxPayloadInMB": 1},
    )
    assert task.kind == "sagemaker_transform"
    assert task.request["ModelName"] == "{{ params.model }}"
    assert task.request["TransformOutput"]["S3OutputPath"] == "s3://lake/predictions/"
    assert task.request["BatchStrategy"] == "SingleRecord"
    assert (task.request["MaxConcurrentTransforms"], task.request["MaxPayloadInMB"]) == (2, 1)
    assert task.outputs == {"output": "s3://lake/predictions/"}


def test_tuning():
    task = TuningOperator(
        task_id="tune",
        script="train.py",
        image_uri="image",
        inputs={"train": "s3://lake/train/"},
        output="s3://lake/models",
        hyperparameters={"rounds": 10},
        metrics={"auc": "auc=(.*)"},
        ranges={"depth": IntegerRange(1, 9)},
        objective="auc",
        strategy="Random",
        max_jobs=4,
        environment={"A": "b"},
        overrides={"HyperParameterTuningJobConfig": {"RandomSeed": 7}},
    )
    assert task.kind == "sagemaker_tuning"
    config = task.request["HyperParameterTuningJobConfig"]
    assert (config["Strategy"], config["RandomSeed"]) == ("Random", 7)
    assert config["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 4
    definition = task.request["TrainingJobDefinition"]
    assert definition["RoleArn"] == ROLE
    assert definition["StaticHyperParameters"]["rounds"] == "10"
    assert definition["OutputDataConfig"]["S3OutputPath"] == "s3://lake/models/"
    assert definition["Environment"] == {"A": "b"}


def test_evaluation_leaves_its_report_in_the_output():
    model = "{{ ti.xcom_pull('train')['ModelArtifacts']['S3ModelArtifacts'] }}"
    task = EvaluationOperator(
        task_id="evaluate",
        script="evaluate.py",
        image_uri="image",
        model=model,
        data="s3://lake/test/",
        output="s3://lake/evaluation/",
    )
    assert task.report == "s3://lake/evaluation/evaluation.json"
    uris = [one["S3Input"]["S3Uri"] for one in task.request["ProcessingInputs"]]
    assert uris[:2] == [model, "s3://lake/test/"]


def test_all_missing_fields_are_named():
    with pytest.raises(PipelineError) as caught:
        TrainingOperator(task_id="train", script="", image_uri="", inputs={}, output="s3://l/m")
    assert caught.value.problems == (
        "script: missing; give script=",
        "image_uri: missing; give image_uri=",
        "inputs: missing; give inputs=",
    )


def test_a_state_machine():
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:flights"
    task = StateMachineOperator(
        task_id="run", state_machine_arn=arn, input={"day": "{{ ds }}"}, timeout_seconds=60
    )
    assert task.kind == "step_functions_execution"
    assert task.request == {"stateMachineArn": arn, "input": {"day": "{{ ds }}"}}
    assert StateMachineOperator(task_id="run", state_machine_arn=arn).request["input"] == {}


def test_a_sagemaker_pipeline():
    task = SageMakerPipelineOperator(
        task_id="run",
        pipeline_name="flights",
        parameters={"day": "{{ ds }}", "depth": 5},
        overrides={"PipelineExecutionDescription": "daily"},
    )
    assert task.kind == "sagemaker_pipeline_execution"
    assert task.request == {
        "PipelineName": "flights",
        "PipelineParameters": [
            {"Name": "day", "Value": "{{ ds }}"},
            {"Name": "depth", "Value": 5},
        ],
        "PipelineExecutionDescription": "daily",
    }
