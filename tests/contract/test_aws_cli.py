"""The AWS CLI, with nothing but ``AWS_ENDPOINT_URL``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]


@pytest.fixture
def aws(aws_environment: None) -> Callable[..., Json]:
    """Run the AWS CLI, and return what it answers."""
    command = str(Path(sys.executable).parent / "aws")

    def aws(*arguments: str) -> Json:
        done = subprocess.run(
            [command, *arguments, "--output", "json"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout or "{}"))

    return aws


def test_training(
    aws: Callable[..., Json], training_request: Callable[..., Json], name: str, until: Any
) -> None:
    request = json.dumps(training_request("print()"))
    aws("sagemaker", "create-training-job", "--cli-input-json", request)
    describe = ("sagemaker", "describe-training-job", "--training-job-name", name)
    until(lambda: aws(*describe)["TrainingJobStatus"] == "Completed")
    listed = aws("sagemaker", "list-training-jobs", "--name-contains", name)
    assert len(listed["TrainingJobSummaries"]) == 1


def test_processing(
    aws: Callable[..., Json], processing_request: Callable[..., Json], name: str, until: Any
) -> None:
    request = json.dumps(processing_request("import time; time.sleep(600)"))
    aws("sagemaker", "create-processing-job", "--cli-input-json", request)
    aws("sagemaker", "stop-processing-job", "--processing-job-name", name)
    describe = ("sagemaker", "describe-processing-job", "--processing-job-name", name)
    until(lambda: aws(*describe)["ProcessingJobStatus"] == "Stopped")


def test_glue(
    aws: Callable[..., Json], put: Callable[..., str], role_arn: str, name: str, until: Any
) -> None:
    command = json.dumps({"Name": "pythonshell", "ScriptLocation": put("job.py", "print()")})
    aws("glue", "create-job", "--name", name, "--role", role_arn, "--command", command)
    run = aws("glue", "start-job-run", "--job-name", name)["JobRunId"]
    describe = ("glue", "get-job-run", "--job-name", name, "--run-id", run)
    until(lambda: aws(*describe)["JobRun"]["JobRunState"] == "SUCCEEDED")
    assert len(aws("glue", "get-job-runs", "--job-name", name)["JobRuns"]) == 1


def test_emr_serverless(
    aws: Callable[..., Json], put: Callable[..., str], role_arn: str, name: str, until: Any
) -> None:
    emr = "emr-serverless"
    made = aws(
        emr, "create-application", "--name", name, "--type", "SPARK", "--release-label", "emr-7.1.0"
    )
    application = ("--application-id", made["applicationId"])
    driver = json.dumps({"sparkSubmit": {"entryPoint": put("job.py", "print()")}})
    started = aws(
        emr, "start-job-run", *application, "--execution-role-arn", role_arn, "--job-driver", driver
    )
    run = ("--job-run-id", started["jobRunId"])
    until(lambda: aws(emr, "get-job-run", *application, *run)["jobRun"]["state"] == "SUCCESS")
    assert len(aws(emr, "list-job-runs", *application)["jobRuns"]) == 1
