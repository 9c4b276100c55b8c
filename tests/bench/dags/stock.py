"""The six steps by hand, with the operators of the Amazon provider."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerProcessingOperator,
    SageMakerRegisterModelVersionOperator,
    SageMakerTrainingOperator,
)
from airflow.providers.amazon.aws.transfers.sql_to_s3 import SqlToS3Operator
from airflow.sdk import DAG

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
ROLE = "arn:aws:iam::123456789012:role/ml"
CODE = "s3://flight-delays/ml/code"
MODEL_URI = "{{ ti.xcom_pull(task_ids='train')['Training']['ModelArtifacts']['S3ModelArtifacts'] }}"
MACHINES = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}


def processing(run: str, name: str, inputs: dict[str, str], outputs: tuple[str, ...]) -> dict:
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", f"/opt/ml/processing/input/code/{name}.py"],
        },
        "ProcessingInputs": [
            {
                "InputName": channel,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"/opt/ml/processing/input/{channel}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for channel, uri in {**inputs, "code": f"{CODE}/{name}/"}.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": output,
                    "S3Output": {
                        "S3Uri": f"{run}/{name}/{output}/",
                        "LocalPath": f"/opt/ml/processing/output/{output}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for output in outputs
            ]
        },
        "ProcessingResources": {"ClusterConfig": MACHINES},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def training(run: str) -> dict:
    return {
        "TrainingJobName": "train",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": "validation:auc", "Regex": r"validation-auc=([0-9.]+);"}
            ],
        },
        "HyperParameters": {
            "max_depth": "{{ params.max_depth }}",
            "eta": "0.1",
            "num_round": "300",
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"{CODE}/train.tar.gz",
        },
        "InputDataConfig": [
            {
                "ChannelName": channel,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"{run}/features/{channel}/",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for channel in ("train", "validation")
        ],
        "OutputDataConfig": {"S3OutputPath": f"{run}/train/model/"},
        "ResourceConfig": MACHINES,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def make(number: int) -> DAG:
    key = f"ml/stock_{number}/{{{{ ts_nodash }}}}"
    run = f"s3://flight-delays/{key}"
    with DAG(
        f"stock_{number}",
        schedule="@daily",
        start_date=datetime(2013, 8, 1, tzinfo=timezone.utc),
        catchup=False,
        params={"max_depth": 4},
        template_searchpath=[os.environ["BENCH_FOLDER"]],
        default_args={
            "retries": 2,
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=15),
        },
    ) as dag:
        flights = SqlToS3Operator(
            task_id="flights",
            sql_conn_id="warehouse",
            query="sql/flights.sql",
            parameters={
                "data_interval_start": "{{ data_interval_start }}",
                "data_interval_end": "{{ data_interval_end }}",
            },
            s3_bucket="flight-delays",
            s3_key=f"{key}/flights/flights.parquet",
            file_format="parquet",
            replace=True,
        )
        daily = GlueJobOperator(
            task_id="daily",
            job_name=f"stock_{number}-daily",
            script_location=f"{CODE}/daily.py",
            iam_role_arn=ROLE,
            create_job_kwargs={
                "GlueVersion": "5.0",
                "WorkerType": "G.1X",
                "NumberOfWorkers": 2,
            },
            script_args={
                "--flights": f"{run}/flights/",
                "--window": f"{run}/daily/window/",
                "--history": "s3://flight-delays/ml/datasets/daily_flights/",
                "--run_date": "{{ ds }}",
                "--days": "35",
            },
        )
        features = SageMakerProcessingOperator(
            task_id="features",
            config=processing(
                run,
                "features",
                {"window": f"{run}/daily/window/"},
                ("train", "validation", "test"),
            ),
        )
        train = SageMakerTrainingOperator(task_id="train", config=training(run))
        evaluate = SageMakerProcessingOperator(
            task_id="evaluate",
            config=processing(
                run,
                "evaluate",
                {"model": MODEL_URI, "data": f"{run}/features/test/"},
                ("report",),
            ),
        )
        statistics = {
            "ContentType": "application/json",
            "S3Uri": f"{run}/evaluate/report/evaluation.json",
        }
        register = SageMakerRegisterModelVersionOperator(
            task_id="register",
            image_uri=IMAGE,
            model_url=MODEL_URI,
            package_group_name="flight-delays",
            extras={"ModelMetrics": {"ModelQuality": {"Statistics": statistics}}},
        )
        flights >> daily >> features >> train >> register
        [train, features] >> evaluate >> register
    return dag


for count in range(int(os.environ["BENCH_DAGS"])):
    globals()[f"dag_{count}"] = make(count)
