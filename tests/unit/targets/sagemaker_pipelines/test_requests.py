"""Definitions against the published schema, and each request against AWS's own description."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from airflow_ml_provider.aws.validation import request_problems
from airflow_ml_provider.pipeline import (
    Account,
    Approval,
    Choice,
    EmrServerless,
    Evaluation,
    Fail,
    IntegerRange,
    LambdaCall,
    Map,
    Model,
    Parameter,
    Pipeline,
    Processing,
    RegisterModel,
    Run,
    SparkTransform,
    Training,
    Transform,
    Tuning,
)
from airflow_ml_provider.pipeline.values import Item
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.targets.sagemaker_pipelines import document, findings

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE / "schema.json").read_text(encoding="utf-8"))
GOLDEN = next(folder for one in HERE.parents if (folder := one / "golden/sagemaker_sdk").is_dir())
ACCOUNT = Account(
    role_arn="arn:aws:iam::123456789012:role/ml",
    subnets=("subnet-1",),
    security_group_ids=("sg-1",),
    tags={"team": "ml"},
)
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:tell"
QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/approvals"
OPERATIONS = {
    "Processing": ("CreateProcessingJob", {"ProcessingJobName": "job"}),
    "Training": ("CreateTrainingJob", {"TrainingJobName": "job"}),
    "Tuning": ("CreateHyperParameterTuningJob", {"HyperParameterTuningJobName": "job"}),
    "Transform": ("CreateTransformJob", {"TransformJobName": "job"}),
    "Model": ("CreateModel", {"ModelName": "model"}),
    "RegisterModel": ("CreateModelPackage", {}),
}


def filled(value, defaults):
    """Replace what is known only in a run by something like it."""
    if isinstance(value, list):
        return [filled(item, defaults) for item in value]
    if not isinstance(value, dict):
        return value
    if "Get" in value:
        name = value["Get"].removeprefix("Parameters.")
        return defaults.get(name, "model" if name.endswith("ModelName") else "s3://bucket/key")
    if "Std:JsonGet" in value:
        return 0.5
    if "Std:Join" in value:
        return "".join(str(filled(part, defaults)) for part in value["Std:Join"]["Values"])
    return {key: filled(item, defaults) for key, item in value.items()}


def steps_of(steps):
    for step in steps:
        yield step
        for arm in ("IfSteps", "ElseSteps"):
            yield from steps_of(step["Arguments"].get(arm, ()))


@pytest.fixture
def everything(tmp_path):
    (tmp_path / "job.py").touch()
    common = {"script": "job.py", "image_uri": "image"}
    daily = SparkTransform("daily", script="job.py", on=EmrServerless(application_id="00f1"))
    features = Processing(
        "features",
        **common,
        inputs={"daily": daily.output},
        outputs=("train", "test"),
        arguments={"rows": Parameter("rows", 1000), "loud": True, "day": Run.DATE},
        environment={"RATE": Parameter("rate", 0.5), "DEPTH": 3},
    )
    train = Training(
        "train",
        **common,
        inputs={"train": features["train"]},
        hyperparameters={"max_depth": Parameter("max_depth", 6), "eta": 0.1},
        metrics={"auc": "auc=(.*)"},
    )
    tune = Tuning(
        "tune",
        **common,
        inputs={"train": features["train"]},
        ranges={"max_depth": IntegerRange(2, 9)},
        metrics={"auc": "auc=(.*)"},
        objective="auc",
    )
    scores = Evaluation("evaluate", **common, model=train.artifact, data=features["test"])
    register = RegisterModel("register", model=train, metrics=scores, group="flights")
    model = Model("model", artifact=tune.artifact, image_uri="image")
    gate = Choice(
        "good_enough",
        when=(scores.metric("auc") >= Parameter("threshold", 0.7))
        & ~((scores.metric("f1-score") < 0.1) & (scores.metric("a", "b.c") > 3)),
        then=[
            register,
            Approval("approve", model=register, queue_url=QUEUE),
            model,
            Transform("score", model=model, data=features["test"]),
        ],
        otherwise=[Fail("too_bad", message="no")],
    )
    each = Map(
        "each",
        items=[{"airline": "AA"}, {"airline": "DL"}],
        body=[Processing("per", **common, arguments={"airline": Item("each", ("airline",))})],
    )
    tell = LambdaCall("tell", FUNCTION, payload={"run": Run.KEY}, after=[gate, each])
    steps = [daily, features, train, tune, scores, gate, each, tell]
    return build(Pipeline("flights", steps, root="s3://bucket/root", folder=tmp_path), ACCOUNT)


def test_definition_keeps_to_the_schema(everything):
    jsonschema.validate(document(everything), SCHEMA)


@pytest.mark.parametrize("name", ["pipeline.json", "pipeline_3.json"])
def test_the_schema_takes_what_the_sdk_makes(name):
    jsonschema.validate(json.loads((GOLDEN / name).read_text(encoding="utf-8")), SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"RetryPolicies": [{}]},
        {"DependsOn": []},
        {"Arguments": {"X": {"Get": "Step.a"}}},
        {"Arguments": {"X": {"Std:Join": {"Values": ["a"]}}}},
        {"Type": "Glue"},
        {"FunctionArn": "arn"},
    ],
)
def test_the_schema_refuses_what_the_service_refuses(change):
    step = {"Name": "a", "Type": "Processing", "Arguments": {}}
    jsonschema.validate({"Version": "2020-12-01", "Steps": [step]}, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"Version": "2020-12-01", "Steps": [{**step, **change}]}, SCHEMA)


def test_each_request_is_one_that_aws_takes(everything):
    made = document(everything)
    defaults = {
        one["Name"]: one.get("DefaultValue", "20130829T000000") for one in made["Parameters"]
    }
    seen = set()
    for step in steps_of(made["Steps"]):
        arguments = filled(step["Arguments"], defaults)
        seen.add(step["Type"])
        if step["Type"] in OPERATIONS:
            operation, names = OPERATIONS[step["Type"]]
            assert request_problems("sagemaker", operation, {**arguments, **names}) == []
        elif step["Type"] == "EMRServerless":
            request = {**arguments["JobConfig"], "clientToken": "t"}
            assert request_problems("emr-serverless", "StartJobRun", request) == []
    assert seen == {*OPERATIONS, "EMRServerless", "Condition", "Lambda", "Callback", "Fail"}


def test_the_same_plan_gives_the_same_bytes(everything):
    assert json.dumps(document(everything)) == json.dumps(document(everything))
    assert findings(everything) == findings(everything)
