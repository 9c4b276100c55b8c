"""Jobs that a state machine waits for: SageMaker, Glue, EMR Serverless, Lambda, executions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from state_machines import GET, PROCESS, TRAIN, Client, Json, Run, failure, machine, output, task

if TYPE_CHECKING:
    from collections.abc import Callable


def test_training(
    run: Run, training_request: Callable[..., Json], read: Callable[[str], bytes], name: str
) -> None:
    request = training_request("open('/opt/ml/model/m', 'w').write('1')")
    answer = output(run(machine(train=task(TRAIN, request))))
    assert answer["TrainingJobStatus"] == "Completed"
    assert answer["TrainingJobName"] == name
    assert read(answer["ModelArtifacts"]["S3ModelArtifacts"])
    assert isinstance(answer["CreationTime"], int)
    assert answer["CreationTime"] > 1_500_000_000_000
    assert answer["Tags"]["MANAGED_BY_AWS"] == "STARTED_BY_STEP_FUNCTIONS"


def test_a_failed_job_fails_the_state_with_its_description(
    run: Run, training_request: Callable[..., Json], name: str
) -> None:
    execution = run(machine(train=task(TRAIN, training_request("raise SystemExit(3)"))))
    assert failure(execution) == "States.TaskFailed"
    cause = json.loads(execution["cause"])
    assert (cause["TrainingJobName"], cause["TrainingJobStatus"]) == (name, "Failed")
    assert "exit code: 3" in cause["FailureReason"]


def test_request_response_does_not_wait(
    run: Run, training_request: Callable[..., Json], client: Client, until: Any, name: str
) -> None:
    request = training_request("import time; time.sleep(0.5)")
    answer = output(run(machine(train=task(TRAIN.removesuffix(".sync"), request))))
    assert set(answer) == {"TrainingJobArn"}
    described = client("sagemaker").describe_training_job
    until(lambda: described(TrainingJobName=name)["TrainingJobStatus"] == "Completed")


def test_a_metric_from_s3_decides(
    *, run: Run, processing_request: Callable[..., Json], bucket: str, name: str
) -> None:
    code = """
import json
metrics = {"classification": {"f1-score": {"value": 0.75}}}
json.dump(metrics, open("/opt/ml/processing/output/report.json", "w"))
"""
    upload = {
        "S3Uri": f"s3://{bucket}/{name}/out",
        "LocalPath": "/opt/ml/processing/output",
        "S3UploadMode": "EndOfJob",
    }
    request = processing_request(
        code, ProcessingOutputConfig={"Outputs": [{"OutputName": "report", "S3Output": upload}]}
    )
    metric = "$.report['classification']['f1-score']['value']"
    definition = machine(
        evaluate=task(PROCESS, request, ResultPath=None, Next="report"),
        report=task(
            GET,
            {"Bucket": bucket, "Key": f"{name}/out/report.json"},
            ResultSelector={"report.$": "States.StringToJson($.Body)"},
            Next="good",
        ),
        good={
            "Type": "Choice",
            "Choices": [
                {
                    "And": [
                        {"Variable": metric, "IsPresent": True},
                        {"Variable": metric, "IsNumeric": True},
                        {"Variable": metric, "NumericGreaterThanEquals": 0.7},
                    ],
                    "Next": "register",
                }
            ],
            "Default": "refuse",
        },
        register={"Type": "Pass", "Result": "registered"},
        refuse={"Type": "Fail", "Error": "Refused"},
    )
    assert output(run(definition)) == "registered"


def test_glue(*, run: Run, client: Client, put: Callable[..., str], role_arn: str) -> None:
    create = {
        "Name.$": "$$.StateMachine.Name",
        "Role": role_arn,
        "Command": {
            "Name": "pythonshell",
            "PythonVersion": "3.9",
            "ScriptLocation": put("job.py", "print(1)"),
        },
    }
    start = {"JobName.$": "$$.StateMachine.Name", "Arguments": {"--a": "b"}}
    definition = machine(
        create=task("arn:aws:states:::aws-sdk:glue:createJob", create, Next="run"),
        run=task("arn:aws:states:::glue:startJobRun.sync", start),
    )
    answer = output(run(definition))
    try:
        assert answer["JobRunState"] == "SUCCEEDED"
        assert answer["Arguments"] == {"--a": "b"}
        assert isinstance(answer["StartedOn"], int)
    finally:
        client("glue").delete_job(JobName=answer["JobName"])


def test_a_failed_glue_run(*, run: Run, client: Client, put: Callable[..., str], name: str) -> None:
    script = {"Name": "pythonshell", "PythonVersion": "3.9", "ScriptLocation": put("j.py", "1 / 0")}
    client("glue").create_job(Name=name, Role="arn:aws:iam::123456789012:role/r", Command=script)
    resource = "arn:aws:states:::glue:startJobRun.sync"
    execution = run(machine(run=task(resource, {"JobName": name})))
    client("glue").delete_job(JobName=name)
    assert failure(execution) == "States.TaskFailed"
    assert "ZeroDivisionError" in json.loads(execution["cause"])["ErrorMessage"]


def test_a_refused_call_of_a_job_service(run: Run, name: str) -> None:
    resource = "arn:aws:states:::glue:startJobRun.sync"
    execution = run(machine(run=task(resource, {"JobName": name})))
    assert failure(execution) == "Glue.EntityNotFoundException"
    assert name in execution["cause"]


def test_emr_serverless(
    *, run: Run, client: Client, put: Callable[..., str], role_arn: str, name: str
) -> None:
    emr = client("emr-serverless")
    made = emr.create_application(name=name, releaseLabel="emr-7.5.0", type="SPARK")
    code = (
        "from pyspark.sql import SparkSession; SparkSession.builder.getOrCreate().range(1).count()"
    )
    parameters = {
        "ApplicationId": made["applicationId"],
        "ExecutionRoleArn": role_arn,
        "ClientToken.$": "$$.Execution.Name",
        "Name.$": "$$.Execution.Name",
        "JobDriver": {"SparkSubmit": {"EntryPoint": put("job.py", code)}},
        "Tags": {"of": "test"},
    }
    resource = "arn:aws:states:::emr-serverless:startJobRun.sync"
    answer = output(run(machine(spark=task(resource, parameters))))
    assert (answer["State"], answer["Tags"]) == ("SUCCESS", {"of": "test"})
    assert answer["JobDriver"]["SparkSubmit"]["EntryPoint"].endswith("job.py")
    assert isinstance(answer["CreatedAt"], int)


def test_an_execution_waits_for_another(run: Run, define: Callable[..., str], name: str) -> None:
    inner = machine(only={"Type": "Pass", "Parameters": {"got.$": "$.a"}})
    arn = define(inner, "-inner")
    given = {"StateMachineArn": arn, "Input": {"a.$": "$.x"}, "Name.$": "$$.Execution.Name"}
    resource = "arn:aws:states:::states:startExecution.sync:2"
    answer = output(run(machine(start=task(resource, given)), {"x": [1]}))
    assert (answer["Status"], answer["Output"]) == ("SUCCEEDED", {"got": [1]})
    assert f":{name}-inner:" in answer["ExecutionArn"]
