"""The AWS requests of a model, its tuning and its batch transform, literally."""

from __future__ import annotations

import pytest

from airflow_ml_provider.aws.validation import job_request_problems, request_problems
from airflow_ml_provider.jobs.registry import kind
from airflow_ml_provider.pipeline import (
    Account,
    CategoricalRange,
    ContinuousRange,
    IntegerRange,
    Model,
    Output,
    Parameter,
    RegisterModel,
    Text,
    Training,
    Transform,
    Tuning,
)
from airflow_ml_provider.pipeline.values import Code, JobField, ResourceName
from airflow_ml_provider.plan.build import job
from airflow_ml_provider.plan.calls import register_call
from airflow_ml_provider.plan.models import model_call
from airflow_ml_provider.plan.place import Place
from airflow_ml_provider.plan.sample import sample

ROLE = "arn:aws:iam::123456789012:role/ml"
ACCOUNT = Account(
    role_arn=ROLE,
    kms_key_id="key",
    subnets=("subnet-1",),
    security_group_ids=("sg-1",),
    tags={"team": "ml"},
)
BARE = Place(Account(role_arn=ROLE), "p-", {})
FULL = Place(ACCOUNT, "p-", {})
TRAIN = Training("train", script="t.py", image_uri="image", inputs={"train": "s3://lake/train/"})
TUNE = Tuning(
    "tune",
    script="jobs/train.py",
    image_uri="image",
    inputs={"train": "s3://lake/train/"},
    hyperparameters={"rounds": 100},
    metrics={"auc": "auc=([0-9.]+)"},
    ranges={
        "depth": IntegerRange(2, 8),
        "eta": ContinuousRange(0.01, Parameter("eta", 0.3), "Logarithmic"),
        "booster": CategoricalRange(["tree", 7]),
    },
    objective="auc",
    max_jobs=20,
    parallel_jobs=4,
)
MODEL = Model(
    "model",
    artifact=TRAIN.artifact,
    image_uri="image",
    script="jobs/serve.py",
    modules=("jobs/common.py",),
    environment={"COLOUR": "red"},
)


def test_tuning():
    node = job(TUNE, FULL)
    assert node.kind == "sagemaker_tuning"
    assert node.outputs == {"model": Output("tune", "model")}
    assert node.request["HyperParameterTuningJobConfig"] == {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"},
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": 20,
            "MaxParallelTrainingJobs": 4,
            "MaxRuntimeInSeconds": 3600,
        },
        "ParameterRanges": {
            "ContinuousParameterRanges": [
                {
                    "Name": "eta",
                    "MinValue": "0.01",
                    "MaxValue": Text.of(Parameter("eta", 0.3)),
                    "ScalingType": "Logarithmic",
                }
            ],
            "IntegerParameterRanges": [
                {"Name": "depth", "MinValue": "2", "MaxValue": "8", "ScalingType": "Auto"}
            ],
            "CategoricalParameterRanges": [{"Name": "booster", "Values": ["tree", "7"]}],
        },
    }
    definition = node.request["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {
        "rounds": "100",
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": Code(("jobs/train.py",), "tar"),
    }
    assert definition["RoleArn"] == ROLE
    assert definition["OutputDataConfig"] == {
        "S3OutputPath": Output("tune", "model"),
        "KmsKeyId": "key",
    }
    assert not {"Tags", "HyperParameters"} & definition.keys()
    assert node.request["Tags"] == [{"Key": "team", "Value": "ml"}]


def test_a_grid_has_as_many_jobs_as_combinations():
    step = Tuning(
        "tune",
        script="t.py",
        image_uri="i",
        inputs={"a": "s3://b/"},
        ranges={"x": CategoricalRange(("a",))},
        objective="auc",
        strategy="Grid",
        overrides={"HyperParameterTuningJobConfig": {"RandomSeed": 1}},
    )
    config = job(step, BARE).request["HyperParameterTuningJobConfig"]
    assert config["ResourceLimits"] == {"MaxParallelTrainingJobs": 2, "MaxRuntimeInSeconds": 3600}
    assert config["RandomSeed"] == 1
    assert "Tags" not in job(step, BARE).request


def test_the_best_model_can_stand_where_a_training_does():
    best = JobField("tune", ("BestTrainingJob", "TrainingJobName"))
    artifact = Text.of(Output("tune", "model"), best, "/output/model.tar.gz")
    assert TUNE.artifact == artifact
    call = register_call(RegisterModel("register", model=TUNE, group="g"), BARE, after=())
    (container,) = call.request["InferenceSpecification"]["Containers"]
    assert container == {"Image": "image", "ModelDataUrl": artifact}


def test_model():
    call = model_call(MODEL, FULL, after=("train",))
    assert (call.service, call.action, call.after) == ("sagemaker", "create_model", ("train",))
    assert call.creates
    assert call.request == {
        "ModelName": ResourceName("model"),
        "PrimaryContainer": {
            "Image": "image",
            "ModelDataUrl": TRAIN.artifact,
            "Environment": {
                "SAGEMAKER_PROGRAM": "serve.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": Code(("jobs/serve.py", "jobs/common.py"), "tar"),
                "COLOUR": "red",
            },
        },
        "ExecutionRoleArn": ROLE,
        "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        "Tags": [{"Key": "team", "Value": "ml"}],
    }
    plain = Model("m", artifact="s3://b/m.tar.gz", image_uri="i", role_arn="arn:own")
    assert model_call(plain, BARE, after=()).request == {
        "ModelName": ResourceName("m"),
        "PrimaryContainer": {"Image": "i", "ModelDataUrl": "s3://b/m.tar.gz"},
        "ExecutionRoleArn": "arn:own",
    }


def test_transform():
    step = Transform(
        "predict",
        model=MODEL,
        data="s3://lake/new/",
        max_payload_mb=0,
        environment={"A": "b"},
        overrides={"DataProcessing": {"JoinSource": "Input"}},
    )
    node = job(step, FULL)
    assert node.kind == "sagemaker_transform"
    assert node.outputs == {"output": Output("predict", "output")}
    assert node.request == {
        "ModelName": ResourceName("model"),
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://lake/new/"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": Output("predict", "output"),
            "Accept": "text/csv",
            "AssembleWith": "Line",
            "KmsKeyId": "key",
        },
        "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        "MaxPayloadInMB": 0,
        "Environment": {"A": "b"},
        "Tags": [{"Key": "team", "Value": "ml"}],
        "DataProcessing": {"JoinSource": "Input"},
    }
    named = Transform("p", model="my-model", data="s3://lake/new/")
    assert job(named, BARE).request["ModelName"] == "my-model"


@pytest.mark.parametrize("place", [BARE, FULL])
def test_aws_would_take_them(place):
    for step in (TUNE, Transform("predict", model=MODEL, data="s3://lake/new/")):
        node = job(step, place)
        assert not job_request_problems(kind(node.kind), sample(node.request))
    request = sample(model_call(MODEL, place, after=()).request)
    assert not request_problems("sagemaker", "CreateModel", request)
