"""Write pipeline_3.json: what only the SageMaker SDK 3 knows, EMR Serverless and run conditions.

Run it with the package ``sagemaker-mlops`` 1.27 and no credentials: ``python make_3.py``. The tests
only read what it wrote.
"""

from __future__ import annotations

import json
from pathlib import Path

import boto3
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.emr_serverless_step import EMRServerlessJobConfig, EMRServerlessStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import StepExceptionTypeEnum, StepRetryPolicy
from sagemaker.mlops.workflow.step_dependency import StepDependency, TriggerCondition

output = Join(
    on="",
    values=["s3://bucket/root/flights/", ExecutionVariables.PIPELINE_EXECUTION_ID, "/daily/out/"],
)
daily = EMRServerlessStep(
    "daily",
    display_name=None,
    description=None,
    application_id="00f1",
    job_config=EMRServerlessJobConfig(
        {
            "sparkSubmit": {
                "entryPoint": "s3://bucket/root/code/daily.py",
                "entryPointArguments": ["--out", output],
            }
        },
        "arn:aws:iam::123456789012:role/ml",
        execution_timeout_minutes=60,
    ),
    retry_policies=[
        StepRetryPolicy(
            [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING],
            interval_seconds=60,
            backoff_rate=2.0,
            max_attempts=2,
        )
    ],
)
caught = FailStep("caught", "no data", depends_on=[StepDependency(daily, TriggerCondition.FAILED)])
session = PipelineSession(
    boto_session=boto3.Session(region_name="eu-central-1"), default_bucket="bucket"
)
if __name__ == "__main__":
    pipeline = Pipeline("flights", steps=[daily, caught], sagemaker_session=session)
    definition = json.loads(pipeline.definition())
    target = Path(__file__).with_name("pipeline_3.json")
    target.write_text(json.dumps(definition, indent=2) + "\n", encoding="utf-8")
