"""SageMaker pipelines of a test, made and run."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from pipeline_definitions import REPORT, Client, Json, Make

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def processing(processing_request: Make, put: Callable[..., str]) -> Make:
    """Return a processing step that runs some Python."""

    def step(name: str, code: str = "print()", *, report: str | None = None, **fields: Any) -> Json:
        arguments = processing_request("")
        del arguments["ProcessingJobName"]
        source = arguments["ProcessingInputs"][0]["S3Input"]
        source["S3Uri"] = put(f"{name}/job.py", code)
        arguments |= fields.pop("Arguments", {})
        made: Json = {"Name": name, "Type": "Processing", "Arguments": arguments, **fields}
        if report:
            output = {"S3Uri": report, "LocalPath": REPORT, "S3UploadMode": "EndOfJob"}
            arguments["ProcessingOutputConfig"] = {
                "Outputs": [{"OutputName": "metrics", "S3Output": output}]
            }
            made["PropertyFiles"] = [
                {"PropertyFileName": "report", "OutputName": "metrics", "FilePath": "report.json"}
            ]
        return made

    return step


@pytest.fixture
def training(training_request: Make, put: Callable[..., str]) -> Make:
    """Return a training step that runs some Python."""

    def step(name: str, code: str = "print()", **fields: Any) -> Json:
        arguments = training_request("")
        del arguments["TrainingJobName"]
        source = arguments["InputDataConfig"][0]["DataSource"]["S3DataSource"]
        source["S3Uri"] = put(f"{name}/job.py", code)
        arguments |= fields.pop("Arguments", {})
        return {"Name": name, "Type": "Training", "Arguments": arguments, **fields}

    return step


@pytest.fixture
def create(client: Client, name: str, role_arn: str) -> Callable[..., str]:
    """Create this test's pipeline, and return its name."""

    def create(content: Json, **fields: Any) -> str:
        client("sagemaker").create_pipeline(
            PipelineName=name, RoleArn=role_arn, PipelineDefinition=json.dumps(content), **fields
        )
        return name

    return create


@pytest.fixture
def start(client: Client, name: str) -> Callable[..., str]:
    """Start this test's pipeline, and return the execution's ARN."""

    def start(token: str | None = None, **parameters: str) -> str:
        given = [{"Name": key, "Value": value} for key, value in parameters.items()]
        answer = client("sagemaker").start_pipeline_execution(
            PipelineName=name,
            PipelineParameters=given,
            ClientRequestToken=token or uuid.uuid4().hex,
        )
        return str(answer["PipelineExecutionArn"])

    return start


@pytest.fixture
def ended(client: Client, until: Callable[..., None]) -> Callable[[str], Json]:
    """Wait for the end of an execution, and describe it."""

    def ended(arn: str) -> Json:
        def describe() -> Json:
            found = client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)
            return dict(found)

        until(lambda: describe()["PipelineExecutionStatus"] not in ("Executing", "Stopping"))
        return describe()

    return ended


@pytest.fixture
def steps(client: Client) -> Callable[[str], dict[str, Json]]:
    """List the steps of an execution by their names, in the order in which they started."""

    def steps(arn: str) -> dict[str, Json]:
        pages = client("sagemaker").get_paginator("list_pipeline_execution_steps")
        found = pages.paginate(PipelineExecutionArn=arn, SortOrder="Ascending")
        return {step["StepName"]: step for page in found for step in page["PipelineExecutionSteps"]}

    return steps
