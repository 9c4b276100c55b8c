"""A pipeline that tunes, creates a model and predicts with it, on both AWS orchestrators."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_ml_provider.aws.deployment import deploy
from airflow_ml_provider.pipeline import (
    Account,
    CategoricalRange,
    Model,
    Pipeline,
    RegisterModel,
    Transform,
    Tuning,
)
from airflow_ml_provider.targets.compile import compile_pipeline

if TYPE_CHECKING:
    from pathlib import Path

Client = Callable[[str], Any]
TRAIN = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=int)
factor = parser.parse_args().factor
pathlib.Path(os.environ["SM_MODEL_DIR"], "factor").write_text(str(factor))
print(f"score={factor};")
"""
SERVE = """
import pathlib
def model_fn(folder): return int(pathlib.Path(folder, "factor").read_text())
def transform_fn(model, data, content_type, accept):
    return "\\n".join(str(int(one) * model) for one in data.split())
"""


@pytest.fixture
def pipeline(
    tmp_path: Path, bucket: str, name: str, image: str, put: Callable[..., str]
) -> Pipeline:
    """Return the pipeline; its best model multiplies by five."""
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "serve.py").write_text(SERVE)
    data = put("in/a.csv", "1\n2\n").removesuffix("a.csv")
    tune = Tuning(
        "tune",
        script="train.py",
        image_uri=image,
        inputs={"train": data},
        metrics={"score": "score=(.*);"},
        ranges={"factor": CategoricalRange([2, 5])},
        objective="score",
        strategy="Grid",
        instance_type="ml.m5.large",
    )
    model = Model("model", artifact=tune.artifact, image_uri=image, script="serve.py")
    predict = Transform("predict", model=model, data=data, instance_type="ml.m5.large")
    register = RegisterModel("register", model=tune, group=name)
    return Pipeline(
        name,
        root=f"s3://{bucket}/{name}/ml",
        folder=tmp_path,
        keyed_by="execution",
        steps=[register, predict, model, tune],
    )


def on_step_functions(client: Client, arn: str, until: Callable[..., None]) -> str:
    machines = client("stepfunctions")
    execution = machines.start_execution(stateMachineArn=arn, input="{}")["executionArn"]

    def status() -> str:
        return str(machines.describe_execution(executionArn=execution)["status"])

    until(lambda: status() != "RUNNING")
    return status()


def on_sagemaker(client: Client, arn: str, until: Callable[..., None]) -> str:
    sagemaker = client("sagemaker")
    started = sagemaker.start_pipeline_execution(PipelineName=arn.rpartition("/")[2])
    execution = started["PipelineExecutionArn"]

    def status() -> str:
        answer = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        return str(answer["PipelineExecutionStatus"])

    until(lambda: status() != "Executing")
    return status()


@pytest.mark.parametrize(
    ("target", "run", "success"),
    [
        ("step-functions", on_step_functions, "SUCCEEDED"),
        ("sagemaker", on_sagemaker, "Succeeded"),
    ],
)
def test_the_best_model_predicts_and_is_registered(
    *,
    target: str,
    run: Callable[..., str],
    success: str,
    client: Client,
    pipeline: Pipeline,
    role_arn: str,
    until: Callable[..., None],
    keys: Callable[[], list[str]],
    read: Callable[[str], bytes],
    bucket: str,
    name: str,
) -> None:
    compiled = compile_pipeline(pipeline, target, Account(role_arn=role_arn))

    assert run(client, deploy(compiled, role_arn, client), until) == success

    (predictions,) = [key for key in keys() if key.endswith("a.csv.out")]
    assert read(f"s3://{bucket}/{name}/{predictions}") == b"5\n10\n"
    sagemaker = client("sagemaker")
    packages = sagemaker.list_model_packages(ModelPackageGroupName=name)
    (package,) = packages["ModelPackageSummaryList"]
    described = sagemaker.describe_model_package(ModelPackageName=package["ModelPackageArn"])
    (container,) = described["InferenceSpecification"]["Containers"]
    best = container["ModelDataUrl"].split("/")[-3]
    training = sagemaker.describe_training_job(TrainingJobName=best)
    assert training["HyperParameters"]["factor"] == "5"
    assert training["ModelArtifacts"]["S3ModelArtifacts"] == container["ModelDataUrl"]
