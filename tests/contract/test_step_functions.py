"""State machines, as AWS runs them."""

from __future__ import annotations

import io
import json
import tarfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

Json = dict[str, Any]
Client = Callable[[str], Any]
Run = Callable[..., Json]
TRAIN = "arn:aws:states:::sagemaker:createTrainingJob.sync"
PROCESS = "arn:aws:states:::sagemaker:createProcessingJob.sync"
GET = "arn:aws:states:::aws-sdk:s3:getObject"
ASK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"


def machine(**states: Json) -> Json:
    """Return a definition that starts with the first state; a state without Next ends it."""
    for state in states.values():
        if not {"Next", "End", "Choices"} & set(state) and state["Type"] not in ("Fail", "Succeed"):
            state["End"] = True
    return {"StartAt": next(iter(states)), "States": states}


def task(resource: str, parameters: Json, **fields: Any) -> Json:
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, **fields}


@pytest.fixture
def define(client: Client, role_arn: str, name: str) -> Callable[..., str]:
    """Create a state machine, and return its ARN."""

    def define(definition: Json, suffix: str = "") -> str:
        made = client("stepfunctions").create_state_machine(
            name=f"{name}{suffix}", definition=json.dumps(definition), roleArn=role_arn
        )
        return str(made["stateMachineArn"])

    return define


@pytest.fixture
def ended(client: Client, until: Any) -> Callable[[str], Json]:
    """Wait for the end of an execution, and describe it."""

    def ended(arn: str) -> Json:
        def described() -> Json:
            return dict(client("stepfunctions").describe_execution(executionArn=arn))

        until(lambda: described()["status"] != "RUNNING")
        return described()

    return ended


@pytest.fixture
def run(
    client: Client, define: Callable[..., str], ended: Callable[[str], Json]
) -> Callable[..., Json]:
    """Run a definition to its end."""

    def run(definition: Json, given: Any = None) -> Json:
        arn = define(definition)
        started = client("stepfunctions").start_execution(
            stateMachineArn=arn, input=json.dumps({} if given is None else given)
        )
        return ended(started["executionArn"])

    return run


def output(execution: Json) -> Any:
    assert execution["status"] == "SUCCEEDED", execution
    return json.loads(execution["output"])


def failure(execution: Json) -> str:
    assert execution["status"] == "FAILED", execution
    assert execution["stopDate"] >= execution["startDate"]
    return str(execution["error"])


# Jobs


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


@pytest.fixture
def function(client: Client, role_arn: str, name: str) -> Any:
    """Make a Lambda function that divides, and return its name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handle(event, context): return 6 / event['by']")
    if role_arn.endswith("role/ml"):  # the local one: it need not be there for anything else
        with suppress(ClientError):
            client("iam").create_role(RoleName="ml", AssumeRolePolicyDocument="{}")
    client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role_arn,
        Handler="app.handle",
        Code={"ZipFile": buffer.getvalue()},
    )
    yield name
    client("lambda").delete_function(FunctionName=name)


def test_a_function(run: Run, function: str) -> None:
    invoke = {"FunctionName": function, "Payload": {"by.$": "$.by"}}
    state = task(
        "arn:aws:states:::lambda:invoke",
        invoke,
        ResultSelector={"got.$": "$.Payload"},
        Catch=[{"ErrorEquals": ["ZeroDivisionError"], "Next": "caught"}],
    )
    definition = machine(invoke=state, caught={"Type": "Pass"})
    assert output(run(definition, {"by": 2})) == {"got": 3}
    assert output(run(definition, {"by": 0}))["Error"] == "ZeroDivisionError"


# Retry, Catch, timeouts


def test_retry_with_a_new_name_for_each_try(
    run: Run, training_request: Callable[..., Json], name: str
) -> None:
    code = "import os; assert os.environ['TRAINING_JOB_NAME'].endswith('-1')"
    request = training_request(code)
    del request["TrainingJobName"]
    request["TrainingJobName.$"] = f"States.Format('{name}-{{}}', $$.State.RetryCount)"
    retry = {
        "ErrorEquals": ["States.TaskFailed"],
        "IntervalSeconds": 1,
        "BackoffRate": 2,
        "MaxAttempts": 2,
        "MaxDelaySeconds": 2,
        "JitterStrategy": "FULL",
    }
    answer = output(run(machine(train=task(TRAIN, request, Retry=[retry]))))
    assert answer["TrainingJobName"] == f"{name}-1"


def test_a_name_is_taken_once(run: Run, training_request: Callable[..., Json], name: str) -> None:
    retry = {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}
    request = training_request("raise SystemExit(3)")
    execution = run(machine(train=task(TRAIN, request, Retry=[retry])))
    assert failure(execution) == "SageMaker.ResourceInUseException"
    assert name in execution["cause"]


def test_what_the_model_does_not_name_is_the_general_exception(
    run: Run, training_request: Callable[..., Json]
) -> None:
    request = training_request("", TrainingJobName="_")
    execution = run(machine(train=task(TRAIN, request)))
    assert failure(execution) == "SageMaker.AmazonSageMakerException"
    assert "ValidationException" in execution["cause"]


def test_catch_of_an_sdk_error(run: Run, bucket: str, name: str) -> None:
    definition = machine(
        read=task(
            GET,
            {"Bucket": bucket, "Key": f"{name}/none"},
            Catch=[
                {
                    "ErrorEquals": ["S3.NoSuchKeyException"],
                    "ResultPath": "$.failure",
                    "Next": "caught",
                }
            ],
        ),
        caught={"Type": "Pass"},
    )
    answer = output(run(definition, {"kept": 1}))
    assert answer["kept"] == 1
    assert answer["failure"]["Error"] == "S3.NoSuchKeyException"
    assert "Cause" in answer["failure"]


def test_a_timeout_stops_the_job(
    *, run: Run, training_request: Callable[..., Json], client: Client, until: Any, name: str
) -> None:
    request = training_request("import time; time.sleep(300)")
    execution = run(machine(train=task(TRAIN, request, TimeoutSeconds=1)))
    assert failure(execution) == "States.Timeout"
    described = client("sagemaker").describe_training_job
    until(lambda: described(TrainingJobName=name)["TrainingJobStatus"] == "Stopped")


# Parallel and Map


def failing(name: str) -> Json:
    return machine(**{name: {"Type": "Fail", "Error": "Broken", "Cause": name}})


def test_branches_that_catch_finish_all(run: Run) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "failed"}]

    def branch(body: Json) -> Json:
        inner = {"Type": "Parallel", "Branches": [body], "Catch": catch}
        return machine(work=inner, failed={"Type": "Pass"})

    definition = machine(
        both={
            "Type": "Parallel",
            "Branches": [branch(failing("a")), branch(machine(ok={"Type": "Pass", "Result": 7}))],
            "ResultSelector": {"failures.$": "$[*].failure", "second.$": "$[1]"},
            "ResultPath": "$.joined",
            "Next": "check",
        },
        check={
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.joined.failures[0]", "IsPresent": True, "Next": "fail"},
            ],
            "Default": "done",
        },
        fail={
            "Type": "Fail",
            "ErrorPath": "$.joined.failures[0].Error",
            "CausePath": "States.Format('{} {}', $.joined.second[0], $.joined.failures[0].Cause)",
        },
        done={"Type": "Succeed"},
    )
    execution = run(definition)
    assert (failure(execution), execution["cause"]) == ("Broken", "7 a")


CATCH_ALL = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "caught"}]


def test_a_path_that_is_not_there_is_caught_by_nobody(run: Run) -> None:
    late = machine(late={"Type": "Wait", "Seconds": 30})
    broken = machine(broken={"Type": "Pass", "Parameters": {"x.$": "$.a"}})
    both = {"Type": "Parallel", "Branches": [broken, late], "Catch": CATCH_ALL}
    execution = run(machine(both=both, caught={"Type": "Pass"}))
    assert failure(execution) == "States.Runtime"
    assert "$.a" in execution["cause"]


def test_a_failed_function_keeps_its_name_in_a_parallel(run: Run) -> None:
    broken = machine(broken={"Type": "Pass", "Parameters": {"x.$": "States.StringToJson('{')"}})
    both = {"Type": "Parallel", "Branches": [broken], "Catch": CATCH_ALL}
    answer = output(run(machine(both=both, caught={"Type": "Pass"})))
    assert answer["failure"]["Error"] == "States.IntrinsicFailure"


def test_a_field_of_the_wrong_type(run: Run, training_request: Callable[..., Json]) -> None:
    request = training_request("", HyperParameters={"depth": 5})
    execution = run(machine(train=task(TRAIN, request, Catch=CATCH_ALL), caught={"Type": "Pass"}))
    assert failure(execution) == "States.Runtime"
    assert "HyperParameters.depth" in execution["cause"]


def test_a_failed_branch_stops_the_jobs_of_the_others(
    *, run: Run, training_request: Callable[..., Json], client: Client, until: Any, name: str
) -> None:
    job = machine(train=task(TRAIN, training_request("import time; time.sleep(300)")))
    late = machine(wait={"Type": "Wait", "Seconds": 1, "Next": "fail"}, fail={"Type": "Fail"})
    execution = run(machine(both={"Type": "Parallel", "Branches": [job, late]}))
    assert execution["status"] == "FAILED"
    described = client("sagemaker").describe_training_job
    until(lambda: described(TrainingJobName=name)["TrainingJobStatus"] == "Stopped")


def test_map_over_the_items(run: Run, put: Callable[..., str], bucket: str, name: str) -> None:
    for n in range(3):
        put(f"item-{n}", f'{{"n": {n}}}')
    key = f"States.Format('{name}/item-{{}}', $$.Map.Item.Index)"
    read = task(
        GET,
        {"Bucket": bucket, "Key.$": key},
        ResultSelector={"read.$": "States.StringToJson($.Body)"},
        ResultPath="$.result",
    )
    definition = machine(
        each={
            "Type": "Map",
            "ItemsPath": "$.items",
            "MaxConcurrency": 2,
            "ItemSelector": {"item.$": "$$.Map.Item.Value", "all.$": "$.items[0].x"},
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **machine(read=read)},
        }
    )
    answer = output(run(definition, {"items": [{"x": "a"}, {"x": "b"}, {"x": "c"}]}))
    assert [found["result"]["read"]["n"] for found in answer] == [0, 1, 2]
    assert [found["item"]["x"] for found in answer] == ["a", "b", "c"]
    assert {found["all"] for found in answer} == {"a"}


def distributed(body: Json) -> Json:
    return machine(
        each={
            "Type": "Map",
            "ItemSelector": {
                "index.$": "$$.Map.Item.Index",
                "item.$": "$$.Map.Item.Value",
                "parent.$": "$$.Execution.Id",
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **body,
            },
        }
    )


def test_distributed_map(run: Run) -> None:
    parameters = {"n.$": "$.index", "same.$": "States.Array($.parent, $$.Execution.Id)"}
    each = {"Type": "Pass", "Parameters": parameters}
    execution = run(distributed(machine(each=each)), [{"x": n} for n in range(300)])
    answer = output(execution)
    assert [found["n"] for found in answer] == list(range(300))
    assert {found["same"][0] for found in answer} == {execution["executionArn"]}
    assert len({found["same"][1] for found in answer}) == 300


def test_a_failed_item_fails_a_distributed_map(run: Run) -> None:
    execution = run(distributed(failing("each")), [1, 2])
    assert failure(execution) == "States.ExceedToleratedFailureThreshold"


# Tokens


@pytest.fixture
def queue(client: Client, name: str) -> Any:
    """Make a queue that task tokens go to, and return its URL."""
    url = client("sqs").create_queue(QueueName=name)["QueueUrl"]
    yield url
    client("sqs").delete_queue(QueueUrl=url)


@pytest.fixture
def asked(client: Client, queue: str) -> Callable[[], Json]:
    """Return the next message of the queue."""

    def asked() -> Json:
        for _ in range(30):
            got = client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=2)
            for message in got.get("Messages", ()):
                return dict(json.loads(message["Body"]))
        raise AssertionError("nobody asked")

    return asked


def approval(queue: str, **fields: Any) -> Json:
    body = {"token.$": "$$.Task.Token", "arguments": {"model_package_arn.$": "$.arn"}}
    return machine(ask=task(ASK, {"QueueUrl": queue, "MessageBody": body}, **fields))


@pytest.fixture
def waiting_execution(client: Client, define: Callable[..., str], queue: str) -> Callable[..., str]:
    def waiting_execution(**fields: Any) -> str:
        arn = define(approval(queue, **fields))
        started = client("stepfunctions").start_execution(
            stateMachineArn=arn, input='{"arn": "arn:package"}'
        )
        return str(started["executionArn"])

    return waiting_execution


def test_a_token_ends_the_wait(
    client: Client, waiting_execution: Any, asked: Any, ended: Callable[[str], Json]
) -> None:
    execution = waiting_execution()
    message = asked()
    assert message["arguments"] == {"model_package_arn": "arn:package"}
    sfn = client("stepfunctions")
    with pytest.raises(ClientError, match="InvalidOutput"):
        sfn.send_task_success(taskToken=message["token"], output="{")
    sfn.send_task_success(taskToken=message["token"], output='{"by": "me"}')
    assert output(ended(execution)) == {"by": "me"}
    with pytest.raises(ClientError, match="TaskTimedOut"):
        sfn.send_task_success(taskToken=message["token"], output="{}")
    with pytest.raises(ClientError, match="InvalidToken"):
        sfn.send_task_success(taskToken="nobody's", output="{}")


def test_each_try_has_a_token_of_its_own(
    client: Client, waiting_execution: Any, asked: Any, ended: Callable[[str], Json]
) -> None:
    retry = [{"ErrorEquals": ["Rejected"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    execution = waiting_execution(Retry=retry)
    tokens = []
    for _ in range(2):
        tokens.append(asked()["token"])
        client("stepfunctions").send_task_failure(
            taskToken=tokens[-1], error="Rejected", cause="too bad"
        )
    described = ended(execution)
    assert (failure(described), described["cause"]) == ("Rejected", "too bad")
    assert tokens[0] != tokens[1]


def test_heartbeats_keep_it_waiting(
    client: Client, waiting_execution: Any, asked: Any, ended: Callable[[str], Json], until: Any
) -> None:
    execution = waiting_execution(HeartbeatSeconds=4, TimeoutSeconds=600)
    token = asked()["token"]
    sfn = client("stepfunctions")
    over = time.monotonic() + 5

    def beaten() -> bool:
        sfn.send_task_heartbeat(taskToken=token)
        return time.monotonic() > over

    until(beaten)
    assert sfn.describe_execution(executionArn=execution)["status"] == "RUNNING"
    assert failure(ended(execution)) == "States.Timeout"


# Executions


def test_stop_stops_the_job(
    *,
    client: Client,
    define: Callable[..., str],
    ended: Callable[[str], Json],
    training_request: Callable[..., Json],
    until: Any,
    name: str,
) -> None:
    sfn = client("stepfunctions")
    request = training_request("import time; time.sleep(300)")
    arn = define(machine(train=task(TRAIN, request)))
    execution = sfn.start_execution(stateMachineArn=arn)["executionArn"]
    jobs = client("sagemaker").list_training_jobs
    until(lambda: bool(jobs(NameContains=name)["TrainingJobSummaries"]))
    sfn.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
    described = ended(execution)
    assert (described["status"], described["error"]) == ("ABORTED", "Stopped")
    assert described["cause"] == "by hand"
    until(
        lambda: jobs(NameContains=name)["TrainingJobSummaries"][0]["TrainingJobStatus"] == "Stopped"
    )
    events = sfn.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)
    assert events["events"][0]["type"] == "ExecutionAborted"
    assert sfn.stop_execution(executionArn=execution)["stopDate"] == described["stopDate"]


def test_an_execution_starts_exactly_once(
    client: Client, define: Callable[..., str], ended: Callable[[str], Json]
) -> None:
    sfn = client("stepfunctions")
    arn = define(machine(wait={"Type": "Wait", "SecondsPath": "$.seconds"}))
    start = {"stateMachineArn": arn, "name": "run-1", "input": '{"seconds": 2}'}
    first = sfn.start_execution(**start)
    assert first["executionArn"].endswith(":run-1")
    assert sfn.start_execution(**start)["executionArn"] == first["executionArn"]
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        sfn.start_execution(**{**start, "input": "{}"})
    assert ended(first["executionArn"])["status"] == "SUCCEEDED"
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        sfn.start_execution(**start)
    assert len(sfn.list_executions(stateMachineArn=arn)["executions"]) == 1


def test_what_is_no_execution(client: Client, define: Callable[..., str], name: str) -> None:
    sfn = client("stepfunctions")
    arn = define(machine(only={"Type": "Succeed"}))
    with pytest.raises(ClientError, match="InvalidExecutionInput"):
        sfn.start_execution(stateMachineArn=arn, input="{")
    with pytest.raises(ClientError, match="InvalidName"):
        sfn.start_execution(stateMachineArn=arn, name="a b")
    with pytest.raises(ClientError, match="StateMachineDoesNotExist"):
        sfn.start_execution(stateMachineArn=f"{arn}-other")
    with pytest.raises(ClientError, match="ExecutionDoesNotExist"):
        sfn.describe_execution(executionArn=arn.replace("stateMachine", "execution") + ":none")
    del name


def test_a_machine_is_made_once(
    client: Client, define: Callable[..., str], role_arn: str, name: str
) -> None:
    sfn = client("stepfunctions")
    arn = define(machine(only={"Type": "Succeed"}))
    assert define(machine(only={"Type": "Succeed"})) == arn
    with pytest.raises(ClientError, match="StateMachineAlreadyExists"):
        define(machine(other={"Type": "Succeed"}))
    with pytest.raises(ClientError, match="InvalidDefinition"):
        define({"StartAt": "nowhere"}, "-2")
    with pytest.raises(ClientError, match="InvalidDefinition"):
        define(machine(x=task("arn:aws:states:::sagemaker:createNothing.sync", {})), "-3")
    with pytest.raises(ClientError, match="InvalidDefinition"):
        define(machine(x={"Type": "Pass", "Parameters": {"x.$": "States.Format('{}' $.a)"}}), "-4")
    with pytest.raises(ClientError, match="InvalidName"):
        sfn.create_state_machine(
            name=f"{name} 2",
            definition=json.dumps(machine(only={"Type": "Succeed"})),
            roleArn=role_arn,
        )


def test_executions_are_listed_by_status_and_page(
    client: Client, define: Callable[..., str], ended: Callable[[str], Json]
) -> None:
    sfn = client("stepfunctions")
    arn = define(
        machine(
            which={
                "Type": "Choice",
                "Choices": [{"Variable": "$.ok", "BooleanEquals": True, "Next": "good"}],
                "Default": "bad",
            },
            good={"Type": "Succeed"},
            bad={"Type": "Fail"},
        )
    )
    for n in range(4):
        started = sfn.start_execution(
            stateMachineArn=arn, name=f"run-{n}", input=json.dumps({"ok": n % 2 == 0})
        )
        ended(started["executionArn"])
    failed = sfn.list_executions(stateMachineArn=arn, statusFilter="FAILED")["executions"]
    assert [item["name"] for item in failed] == ["run-3", "run-1"]
    assert all(item["stopDate"] >= item["startDate"] for item in failed)
    first = sfn.list_executions(stateMachineArn=arn, maxResults=3)
    rest = sfn.list_executions(stateMachineArn=arn, nextToken=first["nextToken"])
    names = [item["name"] for item in first["executions"] + rest["executions"]]
    assert names == ["run-3", "run-2", "run-1", "run-0"]


def test_history_in_pages(run: Run, client: Client) -> None:
    execution = run(machine(a={"Type": "Pass", "Next": "b"}, b={"Type": "Succeed"}))
    pages = client("stepfunctions").get_paginator("get_execution_history")
    events = [
        event
        for page in pages.paginate(
            executionArn=execution["executionArn"], PaginationConfig={"PageSize": 2}
        )
        for event in page["events"]
    ]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert [events[0]["type"], events[-1]["type"]] == ["ExecutionStarted", "ExecutionSucceeded"]


def test_timeout_of_the_machine(run: Run) -> None:
    execution = run({**machine(wait={"Type": "Wait", "Seconds": 30}), "TimeoutSeconds": 1})
    assert execution["status"] == "TIMED_OUT"
    assert execution["stopDate"]


# Values


def test_intrinsic_functions(run: Run) -> None:
    parameters = {
        "format.$": "States.Format('{}-{}', $.name, $.n)",
        "hash.$": "States.Hash($.name, 'MD5')",
        "merge.$": "States.JsonMerge($.defaults, $.given, false)",
        "split.$": "States.StringSplit($.at, ':+-')",
        "item.$": "States.ArrayGetItem(States.StringSplit($.at, 'T.'), 0)",
        "text.$": "States.JsonToString($.given)",
        "started.$": "States.Format('{}', $$.Execution.StartTime)",
        "none.$": "$.given['is-null']",
        "array.$": "States.Array($.n, 'x', States.ArrayLength($.list))",
        "first.$": "$.list[0].a",
        "all.$": "$.list[*].a",
        "missing.$": "$.list[*].b",
        "escaped.$": r"States.Format('it\'s \{{}\} \\ é', $.n)",
        "template.$": "States.Format($.template, $.n)",
    }
    given = {
        "name": "train",
        "template": "{x} {}",
        "n": 5,
        "at": "2013-08-29T01:02:03+00:00",
        "defaults": {"a": 1, "b": {"x": 1}},
        "given": {"b": 2, "is-null": None},
        "list": [{"a": 1}, {"a": [2]}],
    }
    answer = output(run(machine(all={"Type": "Pass", "Parameters": parameters}), given))
    started = answer.pop("started")
    assert started.endswith("Z")
    assert started[10] == "T"
    assert answer == {
        "format": "train-5",
        "hash": "61b3a8faa9c1091806675c230a9abe64",
        "merge": {"a": 1, "b": 2, "is-null": None},
        "split": ["2013", "08", "29T01", "02", "03", "00", "00"],
        "item": "2013-08-29",
        "text": '{"b":2,"is-null":null}',
        "none": None,
        "array": [5, "x", 2],
        "first": 1,
        "all": [1, [2]],
        "missing": [],
        "escaped": "it's {5} \\ é",
        "template": "{x} 5",
    }
