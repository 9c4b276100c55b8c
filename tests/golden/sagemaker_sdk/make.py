"""Write pipeline.json: what the SageMaker SDK makes of a pipeline with every kind of step.

Run it with the SDK 2.257 and no credentials: ``python make.py``. The tests only read what it wrote.
"""

from __future__ import annotations

import json
from pathlib import Path

import boto3
from sagemaker.estimator import Estimator
from sagemaker.inputs import CreateModelInput, TrainingInput, TransformInput
from sagemaker.lambda_helper import Lambda
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.parameter import IntegerParameter
from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor
from sagemaker.transformer import Transformer
from sagemaker.tuner import HyperparameterTuner
from sagemaker.workflow.callback_step import CallbackStep
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import (
    ConditionGreaterThan,
    ConditionGreaterThanOrEqualTo,
    ConditionLessThanOrEqualTo,
    ConditionOr,
)
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaStep
from sagemaker.workflow.parameters import (
    ParameterBoolean,
    ParameterFloat,
    ParameterInteger,
    ParameterString,
)
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.workflow.step_collections import RegisterModel
from sagemaker.workflow.steps import (
    CacheConfig,
    CreateModelStep,
    ProcessingStep,
    TrainingStep,
    TransformStep,
    TuningStep,
)

ROLE = "arn:aws:iam::123456789012:role/ml"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ml:1"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:tell"
QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/approvals"
session = PipelineSession(
    boto_session=boto3.Session(region_name="eu-central-1"), default_bucket="bucket"
)
run_key = ParameterString("run_key")
depth = ParameterInteger("max_depth", 6)
threshold = ParameterFloat("threshold", 0.7)
loud = ParameterBoolean("loud", default_value=False)


def s3(step: str, output: str) -> Join:
    """Spell the prefix of an output as the compiler does."""
    return Join(on="", values=["s3://bucket/root/flights/", run_key, f"/{step}/{output}/"])


def retries(attempts: int) -> list[StepRetryPolicy | SageMakerJobStepRetryPolicy]:
    """Repeat what AWS could not do."""
    how = {"interval_seconds": 60, "backoff_rate": 2.0, "max_attempts": attempts}
    of_job = SageMakerJobExceptionTypeEnum
    return [
        StepRetryPolicy(
            [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING], **how
        ),
        SageMakerJobStepRetryPolicy(
            [of_job.INTERNAL_ERROR, of_job.CAPACITY_ERROR, of_job.RESOURCE_LIMIT], **how
        ),
    ]


report = PropertyFile(name="Report", output_name="report", path="evaluation.json")
processor = Processor(
    ROLE,
    IMAGE,
    1,
    "ml.m5.xlarge",
    entrypoint=["python3", "run.py"],
    volume_size_in_gb=30,
    max_runtime_in_seconds=3600,
    sagemaker_session=session,
)
evaluate = ProcessingStep(
    "evaluate",
    step_args=processor.run(
        inputs=[
            ProcessingInput(
                s3("features", "test"),
                "/opt/ml/processing/input/data",
                input_name="data",
            )
        ],
        outputs=[
            ProcessingOutput(
                output_name="report",
                source="/opt/ml/processing/output/report",
                destination=s3("evaluate", "report"),
            )
        ],
        arguments=["--depth", Join(on="", values=[depth])],
    ),
    property_files=[report],
    cache_config=CacheConfig(enable_caching=True, expire_after="P7D"),
    retry_policies=retries(2),
)
estimator = Estimator(
    IMAGE,
    ROLE,
    1,
    "ml.m5.xlarge",
    volume_size=30,
    max_run=3600,
    output_path=s3("train", "model"),
    hyperparameters={"max_depth": Join(on="", values=[depth])},
    sagemaker_session=session,
    disable_profiler=True,
)
train = TrainingStep(
    "train",
    step_args=estimator.fit({"train": TrainingInput(s3("features", "train"))}),
    depends_on=["evaluate"],
    retry_policies=retries(5),
)
tuner = HyperparameterTuner(
    estimator,
    "auc",
    {"max_depth": IntegerParameter(2, 9)},
    metric_definitions=[{"Name": "auc", "Regex": "auc=(.*)"}],
    strategy="Random",
    max_jobs=4,
    max_parallel_jobs=2,
)
tune = TuningStep("tune", step_args=tuner.fit({"train": TrainingInput(s3("features", "train"))}))
artifact = train.properties.ModelArtifacts.S3ModelArtifacts
model = CreateModelStep(
    "model",
    model=Model(IMAGE, model_data=artifact, role=ROLE, sagemaker_session=session),
    inputs=CreateModelInput(instance_type="ml.m5.xlarge"),
)
score = TransformStep(
    "score",
    transformer=Transformer(
        model.properties.ModelName,
        1,
        "ml.m5.xlarge",
        strategy="MultiRecord",
        output_path=s3("score", "output"),
        accept="text/csv",
        sagemaker_session=session,
    ),
    inputs=TransformInput(s3("features", "test"), content_type="text/csv", split_type="Line"),
)
register = RegisterModel(
    "register",
    estimator=estimator,
    model_data=artifact,
    content_types=["text/csv"],
    response_types=["text/csv"],
    inference_instances=["ml.m5.xlarge"],
    transform_instances=["ml.m5.xlarge"],
    model_package_group_name="flights",
    image_uri=IMAGE,
    approval_status="PendingManualApproval",
    model_metrics=ModelMetrics(
        model_statistics=MetricsSource(
            content_type="application/json",
            s3_uri=Join(
                on="",
                values=["s3://bucket/root/flights/", run_key, "/evaluate/report/evaluation.json"],
            ),
        )
    ),
)
approve = CallbackStep(
    "approve",
    sqs_queue_url=QUEUE,
    inputs={"model_package_arn": register.steps[-1].properties.ModelPackageArn},
    outputs=[],
)
tell = LambdaStep(
    "tell",
    lambda_func=Lambda(function_arn=FUNCTION),
    inputs={
        "run": ExecutionVariables.PIPELINE_EXECUTION_ID,
        "loud": loud,
        "best": tune.properties.BestTrainingJob.TrainingJobName,
    },
    outputs=[LambdaOutput("answer")],
)
again = LambdaStep(
    "again",
    lambda_func=Lambda(function_arn=FUNCTION),
    inputs={"answer": tell.properties.Outputs["answer"]},
    depends_on=["approve"],
)


def metric(path: str) -> JsonGet:
    """Read a number of the report."""
    return JsonGet(step_name="evaluate", property_file=report, json_path=path)


auc = metric("binary_classification_metrics.auc.value")
gate = ConditionStep(
    "good_enough",
    depends_on=["train"],
    conditions=[
        ConditionGreaterThanOrEqualTo(auc, threshold),
        ConditionOr(
            [
                ConditionGreaterThan(metric("['f1-score'].value"), 0.1),
                ConditionLessThanOrEqualTo(auc, 0.9),
                ConditionLessThanOrEqualTo(depth, 3),
            ]
        ),
        ConditionOr(
            [
                ConditionGreaterThan(metric("['f1-score'].value"), 0.1),
                ConditionGreaterThanOrEqualTo(auc, 0.8),
                ConditionLessThanOrEqualTo(depth, 3),
            ]
        ),
    ],
    if_steps=[register, approve, model, score, tell, again],
    else_steps=[FailStep("too_bad", error_message=Join(on="", values=["AUC ", auc]))],
)
pipeline = Pipeline(
    "flights",
    parameters=[run_key, depth, threshold, loud],
    steps=[evaluate, train, tune, gate],
    sagemaker_session=session,
)
if __name__ == "__main__":
    definition = json.loads(pipeline.definition())
    target = Path(__file__).with_name("pipeline.json")
    target.write_text(json.dumps(definition, indent=2) + "\n", encoding="utf-8")
