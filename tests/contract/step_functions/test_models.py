"""A tuning job, the model of its best trial, and a transform with it."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from state_machines import Run, machine, output, task

if TYPE_CHECKING:
    from collections.abc import Callable

TRAIN_SCRIPT = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
depth = parser.parse_args().depth
pathlib.Path(os.environ["SM_MODEL_DIR"], "factor").write_text("10")
print(f"score={depth};")
"""
SERVE_SCRIPT = """
import pathlib
def model_fn(folder):
    return int(pathlib.Path(folder, "factor").read_text())
def input_fn(data, content_type):
    return [int(line) for line in data.split()]
def predict_fn(numbers, factor):
    return [number * factor for number in numbers]
def output_fn(predictions, accept):
    return ",".join(map(str, predictions)), accept
"""


def source(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_tuning_then_a_model_then_transform(
    *,
    run: Run,
    put: Callable[..., str],
    read: Callable[[str], bytes],
    bucket: str,
    role_arn: str,
    image: str,
    name: str,
) -> None:
    out = f"s3://{bucket}/{name}"
    tuning = {
        "HyperParameterTuningJobName": name[:32],
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "6"}]
            },
        },
        "TrainingJobDefinition": {
            "RoleArn": role_arn,
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+);"}],
            },
            "StaticHyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": put("t.tar.gz", source("train.py", TRAIN_SCRIPT)),
            },
            "OutputDataConfig": {"S3OutputPath": f"{out}/models"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
    }
    container = {
        "Image": image,
        "ModelDataUrl.$": (
            f"States.Format('{out}/models/{{}}/output/model.tar.gz', $.tuning.best)"
        ),
        "Environment": {
            "SAGEMAKER_PROGRAM": "serve.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": put("s.tar.gz", source("serve.py", SERVE_SCRIPT)),
        },
    }
    data = put("in/a.csv", "1\n2\n").rpartition("/")[0]
    transform = {
        "TransformJobName": name,
        "ModelName": name,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{data}/"}},
            "ContentType": "text/csv",
        },
        "TransformOutput": {"S3OutputPath": f"{out}/scores", "Accept": "text/csv"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    model = {"ModelName": name, "PrimaryContainer": container, "ExecutionRoleArn": role_arn}
    definition = machine(
        tune=task(
            "arn:aws:states:::sagemaker:createHyperParameterTuningJob.sync",
            tuning,
            ResultSelector={"best.$": "$.BestTrainingJob.TrainingJobName"},
            ResultPath="$.tuning",
            Next="model",
        ),
        model=task("arn:aws:states:::aws-sdk:sagemaker:createModel", model, Next="transform"),
        transform=task("arn:aws:states:::sagemaker:createTransformJob.sync", transform),
    )
    answer = output(run(definition))
    assert (answer["TransformJobStatus"], answer["TransformJobName"]) == ("Completed", name)
    assert read(f"{out}/scores/a.csv.out") == b"10,20"
