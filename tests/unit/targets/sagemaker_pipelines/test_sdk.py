"""The SageMaker SDK makes the same JSON: tests/golden/sagemaker_sdk has what it made, and how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_ml_provider.pipeline.step import Report, Retry
from airflow_ml_provider.pipeline.values import (
    JobField,
    Metric,
    Output,
    Parameter,
    ResourceName,
    Run,
    Text,
    Token,
)
from airflow_ml_provider.plan.nodes import Approval, Call, Choice, Fail, Invoke
from airflow_ml_provider.targets.sagemaker_pipelines import document

GOLDEN = next(
    folder for one in Path(__file__).parents if (folder := one / "golden/sagemaker_sdk").is_dir()
)
ROLE = "arn:aws:iam::123456789012:role/ml"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ml:1"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:tell"
QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/approvals"
DEPTH = Parameter("max_depth", 6)
THRESHOLD = Parameter("threshold", 0.7)
LOUD = Parameter("loud", default=False)
AUC = Metric("evaluate", ("binary_classification_metrics", "auc", "value"))
TWICE = Retry(errors=("service",))


def golden(name):
    made = json.loads((GOLDEN / name).read_text(encoding="utf-8"))
    # An experiment of its own for each execution is not what a plan asks for.
    for extra in ("PipelineExperimentConfig", "MlflowConfig"):
        made.pop(extra, None)
    return made


def s3_source(uri):
    return {
        "S3DataSource": {
            "S3DataType": "S3Prefix",
            "S3Uri": uri,
            "S3DataDistributionType": "FullyReplicated",
        }
    }


def training(output):
    return {
        "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": IMAGE},
        "OutputDataConfig": {"S3OutputPath": output},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "RoleArn": ROLE,
        "InputDataConfig": [
            {"DataSource": s3_source(Output("features", "train")), "ChannelName": "train"}
        ],
    }


MACHINES = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}


def evaluate(job):
    request = {
        "ProcessingJobName": "left-out",
        "ProcessingResources": {"ClusterConfig": MACHINES},
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerArguments": ["--depth", Text.of(DEPTH)],
            "ContainerEntrypoint": ["python3", "run.py"],
        },
        "RoleArn": ROLE,
        "ProcessingInputs": [
            {
                "InputName": "data",
                "AppManaged": False,
                "S3Input": {
                    "S3Uri": Output("features", "test"),
                    "LocalPath": "/opt/ml/processing/input/data",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                    "S3DataDistributionType": "FullyReplicated",
                    "S3CompressionType": "None",
                },
            }
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "report",
                    "AppManaged": False,
                    "S3Output": {
                        "S3Uri": Output("evaluate", "report"),
                        "LocalPath": "/opt/ml/processing/output/report",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    report = Report("report", "evaluation.json")
    return job("evaluate", request=request, report=report, cache="P7D", retry=(TWICE,))


def train(job):
    output = Output("train", "model")
    request = {
        **training(output),
        "ResourceConfig": MACHINES,
        "HyperParameters": {"max_depth": Text.of(DEPTH)},
        "DebugHookConfig": {"S3OutputPath": output, "CollectionConfigurations": []},
        "ProfilerConfig": {"DisableProfiler": True},
    }
    retry = (Retry(attempts=5, errors=("service",)),)
    return job("train", "evaluate", kind="sagemaker_training", request=request, retry=retry)


def tune(job):
    definition = training(Output("train", "model"))
    definition["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "auc", "Regex": "auc=(.*)"}
    ]
    one = {"Name": "max_depth", "MinValue": "2", "MaxValue": "9", "ScalingType": "Auto"}
    request = {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
            "TrainingJobEarlyStoppingType": "Off",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"},
            "ParameterRanges": {
                "ContinuousParameterRanges": [],
                "CategoricalParameterRanges": [],
                "IntegerParameterRanges": [one],
            },
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {},
            **definition,
            "HyperParameterTuningResourceConfig": MACHINES,
        },
    }
    return job("tune", kind="sagemaker_tuning", request=request)


def register():
    report = Text.of(Output("evaluate", "report"), "evaluation.json")
    statistics = {"ContentType": "application/json", "S3Uri": report}
    artifact = JobField("train", ("ModelArtifacts", "S3ModelArtifacts"))
    request = {
        "ModelPackageGroupName": "flights",
        "ModelMetrics": {
            "ModelQuality": {"Statistics": statistics},
            "Bias": {},
            "Explainability": {},
        },
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": artifact}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.xlarge"],
            "SupportedTransformInstanceTypes": ["ml.m5.xlarge"],
        },
        "ModelApprovalStatus": "PendingManualApproval",
        "SkipModelValidation": "None",
        "ClientToken": Token(),
    }
    return Call(
        name="register",
        service="sagemaker",
        action="create_model_package",
        request=request,
        retry=(),
    )


def model():
    container = {
        "Image": IMAGE,
        "Environment": {},
        "ModelDataUrl": JobField("train", ("ModelArtifacts", "S3ModelArtifacts")),
    }
    request = {
        "ModelName": ResourceName("model"),
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": container,
    }
    return Call(name="model", service="sagemaker", action="create_model", request=request, retry=())


def score(job):
    source = {"S3DataType": "S3Prefix", "S3Uri": Output("features", "test")}
    request = {
        "ModelName": ResourceName("model"),
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {"S3OutputPath": Output("score", "output"), "Accept": "text/csv"},
        "TransformResources": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge"},
        "BatchStrategy": "MultiRecord",
    }
    return job("score", "model", kind="sagemaker_transform", request=request)


def invoke(name, *after, **payload):
    return Invoke(
        name=name, after=after, function=FUNCTION, payload=payload, timeout_seconds=60, retry=()
    )


@pytest.fixture
def everything(job, plan):
    best = JobField("tune", ("BestTrainingJob", "TrainingJobName"))
    gate = Choice(
        name="good_enough",
        after=("train",),
        when=(AUC >= THRESHOLD)
        & (
            (Metric("evaluate", ("f1-score", "value")) > 0.1)
            | ((AUC <= 0.9) & (AUC >= 0.8))
            | ~(DEPTH > 3)
        ),
        then=(
            register(),
            Approval(
                name="approve",
                after=("register",),
                model="register",
                queue_url=QUEUE,
                timeout_seconds=60,
                poll_seconds=1,
            ),
            model(),
            score(job),
            invoke("tell", run=Run.ID, loud=LOUD, best=best),
            invoke("again", "approve", "tell", answer=JobField("tell", ("answer",))),
        ),
        otherwise=(Fail(name="too_bad", message=Text("AUC {auc}", auc=AUC)),),
    )
    return plan(evaluate(job), train(job), tune(job), gate, parameters=(DEPTH, THRESHOLD, LOUD))


def test_every_step_of_sdk_2(everything):
    wanted = golden("pipeline.json")
    # The SDK adds to the name.
    steps = json.dumps(wanted).replace("register-RegisterModel", "register")
    assert document(everything) == json.loads(steps)


def test_what_only_sdk_3_knows(job, plan):
    request = {
        "applicationId": "00f1",
        "executionRoleArn": ROLE,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": "s3://bucket/root/code/daily.py",
                "entryPointArguments": ["--out", Output("daily", "out")],
            }
        },
        "executionTimeoutMinutes": 60,
        "clientToken": "left-out",
    }
    caught = Fail(name="caught", message="no data")
    daily = job("daily", kind="emr_serverless", request=request, retry=(TWICE,), fallback=(caught,))
    assert document(plan(daily, keyed_by="execution")) == golden("pipeline_3.json")
