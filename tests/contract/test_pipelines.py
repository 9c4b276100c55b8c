"""SageMaker pipelines, as AWS runs them."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

Json = dict[str, Any]
Client = Callable[[str], Any]
Make = Callable[..., Json]
FOREVER = "import time; print('up', flush=True); time.sleep(600)"
REPORT = "/opt/ml/processing/output/report"
LAMBDA = """
def answer(event, context):
    if event["n"] < 0:
        raise ValueError("too small")
    return {"double": 2 * event["n"], "text": 6.5, "more": [1]}
"""
TYPES = {"String": str, "Integer": int, "Float": float, "Boolean": bool}


def get(target: str) -> Json:
    return {"Get": target}


def join(*parts: Any) -> Json:
    return {"Std:Join": {"On": "", "Values": list(parts)}}


def report_value(step: str, path: str) -> Json:
    file = get(f"Steps.{step}.PropertyFiles.report")
    return {"Std:JsonGet": {"PropertyFile": file, "Path": path}}


def condition(name: str, of: list[Json], then: list[Json], otherwise: list[Json]) -> Json:
    arguments = {"Conditions": of, "IfSteps": then, "ElseSteps": otherwise}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def at_least(left: Any, right: Any) -> Json:
    return {"Type": "GreaterThanOrEqualTo", "LeftValue": left, "RightValue": right}


def fail(name: str, message: Any, **fields: Any) -> Json:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **fields}


def definition(*steps: Json, **parameters: Any) -> Json:
    kinds = {value: kind for kind, value in TYPES.items()}
    listed = [
        {"Name": name, "Type": kinds[value]}
        if isinstance(value, type)
        else {"Name": name, "Type": kinds[type(value)], "DefaultValue": value}
        for name, value in parameters.items()
    ]
    return {"Version": "2020-12-01", "Metadata": {}, "Parameters": listed, "Steps": list(steps)}


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


def statuses(found: dict[str, Json]) -> dict[str, str]:
    return {name: step["StepStatus"] for name, step in found.items()}


def test_process_train_judge_and_register(
    *,
    client: Client,
    processing: Make,
    training: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    bucket: str,
    image: str,
    name: str,
) -> None:
    data = join(f"s3://{bucket}/{name}/", get("Parameters.day"), "/data")
    write = "open('/opt/ml/processing/output/data/rows', 'w').write('12')"
    output = {
        "OutputName": "data",
        "S3Output": {
            "S3Uri": data,
            "LocalPath": "/opt/ml/processing/output/data",
            "S3UploadMode": "EndOfJob",
        },
    }
    features = processing(
        "features", write, Arguments={"ProcessingOutputConfig": {"Outputs": [output]}}
    )
    read = """
import json, pathlib
rows = pathlib.Path("/opt/ml/input/data/rows/rows").read_text()
depth = json.load(open("/opt/ml/input/config/hyperparameters.json"))["depth"]
pathlib.Path("/opt/ml/model/m").write_text(rows + depth)
"""
    train = training("train", read)
    train["Arguments"]["InputDataConfig"].append(
        {
            "ChannelName": "rows",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": get(
                        "Steps.features.ProcessingOutputConfig.Outputs['data'].S3Output.S3Uri"
                    ),
                }
            },
        }
    )
    train["Arguments"]["HyperParameters"] = {"depth": join(get("Parameters.depth"))}
    judge = f"""
import json, os, tarfile
model = tarfile.open("/opt/ml/processing/input/model/model.tar.gz").extractfile("m").read()
assert model == b"126", model
json.dump({{"binary": {{"a.b": [{{"value": 0.75}}]}}}}, open("{REPORT}/report.json", "w"))
"""
    evaluate = processing("evaluate", judge, report=f"s3://{bucket}/{name}/evaluate")
    evaluate["Arguments"]["ProcessingInputs"].append(
        {
            "InputName": "model",
            "S3Input": {
                "S3Uri": get("Steps.train.ModelArtifacts.S3ModelArtifacts"),
                "LocalPath": "/opt/ml/processing/input/model",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
            },
        }
    )
    register = {
        "Name": "register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": name,
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {
                "Containers": [
                    {
                        "Image": image,
                        "ModelDataUrl": get("Steps.train.ModelArtifacts.S3ModelArtifacts"),
                    }
                ],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        },
    }
    auc = report_value("evaluate", "binary['a.b'][0].value")
    gate = condition(
        "gate", [at_least(auc, get("Parameters.limit"))], [register], [fail("bad", join("", auc))]
    )
    create(definition(gate, evaluate, train, features, day=str, depth=6, limit=0.7))

    arn = start(day="2013-08-29")
    execution = ended(arn)

    found = steps(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", found
    assert "FailureReason" not in execution
    assert list(found) == ["features", "train", "evaluate", "gate", "register"]
    assert set(statuses(found).values()) == {"Succeeded"}
    assert all(step["StartTime"] <= step["EndTime"] for step in found.values())
    assert found["gate"]["Metadata"]["Condition"]["Outcome"] == "True"
    job_arn = found["train"]["Metadata"]["TrainingJob"]["Arn"]
    job = job_arn.rpartition("/")[2]
    assert job.startswith(f"pipelines-{arn.rpartition('/')[2]}-train-")
    sagemaker = client("sagemaker")
    described = sagemaker.describe_training_job(TrainingJobName=job)
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=job_arn)["Tags"]}
    assert tags["sagemaker:pipeline-execution-arn"] == arn
    package = sagemaker.describe_model_package(
        ModelPackageName=found["register"]["Metadata"]["RegisterModel"]["Arn"]
    )
    container = package["InferenceSpecification"]["Containers"][0]
    assert container["ModelDataUrl"] == described["ModelArtifacts"]["S3ModelArtifacts"]
    parameters = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
    assert {"Name": "day", "Value": "2013-08-29"} in parameters["PipelineParameters"]

    refused = start(day="2013-08-30", limit="0.9")
    execution = ended(refused)
    found = steps(refused)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert found["gate"]["Metadata"]["Condition"]["Outcome"] == "False"
    assert "register" not in found
    assert found["bad"]["FailureReason"] == "0.75"
    assert found["bad"]["Metadata"]["Fail"]["ErrorMessage"] == "0.75"


def test_a_failure_stops_only_what_depends_on_it(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    bad = processing("bad", "raise SystemExit('no such table')")
    after = processing("after", DependsOn=["bad"])
    beside = processing("beside", "import time; time.sleep(0.5)")
    last = processing("last", DependsOn=["beside"])
    create(definition(bad, after, beside, last))
    arn = start()
    execution = ended(arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"].startswith("Step failure")
    found = steps(arn)
    assert statuses(found) == {"bad": "Failed", "beside": "Succeeded", "last": "Succeeded"}
    assert "no such table" in found["bad"]["FailureReason"]


def test_a_step_for_the_failure(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    bad = processing("bad", "raise SystemExit(3)")
    after = processing("after", DependsOn=["bad"])
    instead = processing("instead", DependsOn=[{"Step": "bad", "Trigger": "Failed"}])
    never = processing("never", DependsOn=[{"Step": "instead", "Trigger": "Failed"}])
    create(definition(bad, after, instead, never))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "CompletedWithFailures"
    assert statuses(steps(arn)) == {"bad": "Failed", "instead": "Succeeded"}


def test_an_output_that_is_missing_fails_the_step(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    bucket: str,
    name: str,
) -> None:
    code = f"open('{REPORT}/report.json', 'w').write('{{\"auc\": \"high\"}}')"
    report = processing("report", code, report=f"s3://{bucket}/{name}/report")
    wrong = condition("wrong", [at_least(report_value("report", "auc"), 0.5)], [], [])
    missing = condition("missing", [at_least(report_value("report", "f1"), 0.5)], [], [])
    create(definition(report, wrong, missing))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    found = steps(arn)
    expected = {"report": "Succeeded", "wrong": "Failed", "missing": "Failed"}
    assert statuses(found) == expected
    assert "'f1'" in found["missing"]["FailureReason"]


def test_stop(
    *,
    client: Client,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    until: Callable[..., None],
    messages: Callable[..., list[str]],
) -> None:
    create(definition(processing("long", FOREVER), processing("next", DependsOn=["long"])))
    arn = start()
    sagemaker = client("sagemaker")
    until(lambda: "ProcessingJob" in steps(arn).get("long", {}).get("Metadata", {}))
    job = steps(arn)["long"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    # The group is there from the first job on.
    until(
        lambda: (
            "ProcessingStartTime" in sagemaker.describe_processing_job(ProcessingJobName=job)
            and "up" in messages("/aws/sagemaker/ProcessingJobs", job)
        )
    )
    with pytest.raises(ClientError) as error:
        sagemaker.delete_pipeline(
            PipelineName=arn.split("/")[1], ClientRequestToken=uuid.uuid4().hex
        )
    assert error.value.response["Error"]["Code"] == "ConflictException"
    for _ in range(2):
        sagemaker.stop_pipeline_execution(
            PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex
        )
    assert ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert statuses(steps(arn)) == {"long": "Stopped"}
    described = sagemaker.describe_processing_job(ProcessingJobName=job)
    assert described["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="Stopped"):
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)


def test_retry_runs_what_had_not_succeeded(
    *,
    client: Client,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    put: Callable[..., str],
) -> None:
    first = processing("first")
    second = processing("second", "raise SystemExit(1)", DependsOn=["first"])
    create(definition(first, second, processing("third", DependsOn=["second"])))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    before = steps(arn)["first"]
    put("second/job.py", "print()")
    client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=arn)
    execution = ended(arn)
    found = steps(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert "FailureReason" not in execution
    assert found["first"] == before
    assert statuses(found) == dict.fromkeys(("first", "second", "third"), "Succeeded")
    with pytest.raises(ClientError, match="Succeeded"):
        client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=arn)


def test_callback(
    *,
    client: Client,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    name: str,
    until: Callable[..., None],
) -> None:
    sqs, sagemaker = client("sqs"), client("sagemaker")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    ask = {
        "Name": "ask",
        "Type": "Callback",
        "SqsQueueUrl": queue,
        "Arguments": {"model": join("m-", get("Parameters.version"))},
        "OutputParameters": [
            {"OutputName": "score", "OutputType": "Float"},
            {"OutputName": "by", "OutputType": "String"},
        ],
    }
    answer = get("Steps.ask.OutputParameters['score']")
    gate = condition("gate", [at_least(answer, 0.5)], [], [fail("low", "too low")])
    create(definition(ask, gate, version=3))

    def question() -> Json:
        found: list[Json] = []

        def received() -> bool:
            found.extend(sqs.receive_message(QueueUrl=queue).get("Messages", ()))
            return bool(found)

        until(received)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=found[0]["ReceiptHandle"])
        return dict(json.loads(found[0]["Body"]))

    arn = start()
    body = question()
    assert len(body["token"]) == 10
    assert body["arguments"] == {"model": "m-3"}
    assert (body["status"], body["pipelineExecutionArn"]) == ("Executing", arn)
    outputs = [{"Name": "score", "Value": "0.75"}, {"Name": "by", "Value": "Ann"}]
    sent = sagemaker.send_pipeline_execution_step_success(
        CallbackToken=body["token"], OutputParameters=outputs
    )
    assert sent["PipelineExecutionArn"] == arn
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert steps(arn)["ask"]["Metadata"]["Callback"]["OutputParameters"] == outputs
    with pytest.raises(ClientError):
        sagemaker.send_pipeline_execution_step_failure(CallbackToken=body["token"])

    arn = start()
    sagemaker.send_pipeline_execution_step_failure(
        CallbackToken=question()["token"], FailureReason="nobody wants it"
    )
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert steps(arn)["ask"]["FailureReason"] == "nobody wants it"

    arn = start()
    token = question()["token"]
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert question() == {**body, "token": token, "status": "Stopping", "pipelineExecutionArn": arn}
    sagemaker.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="stopped")
    assert ended(arn)["PipelineExecutionStatus"] == "Stopped"

    with pytest.raises(ClientError):
        sagemaker.send_pipeline_execution_step_success(CallbackToken="x" * 10)


def test_lambda_and_model(
    *,
    client: Client,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    name: str,
    role_arn: str,
    image: str,
    put: Callable[..., str],
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", LAMBDA)
    trusted = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    trust = {"Version": "2012-10-17", "Statement": [{**trusted, "Action": "sts:AssumeRole"}]}
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    function = client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="app.answer",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]
    outputs = [
        {"OutputName": "double", "OutputType": "Integer"},
        {"OutputName": "text", "OutputType": "String"},
    ]
    ask = {
        "Name": "ask",
        "Type": "Lambda",
        "FunctionArn": function,
        "Arguments": {"n": get("Parameters.n")},
        "OutputParameters": outputs,
    }
    container = {"Image": image, "ModelDataUrl": put("model.tar.gz", b"")}
    model = {
        "Name": "model",
        "Type": "Model",
        "Arguments": {
            "ExecutionRoleArn": role_arn,
            "PrimaryContainer": {
                **container,
                "Environment": {"TEXT": get("Steps.ask.OutputParameters['text']")},
            },
        },
    }
    double = get("Steps.ask.OutputParameters['double']")
    gate = condition("gate", [at_least(double, 42)], [model], [fail("low", join(double))])
    create(definition(ask, gate, n=21))

    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded", steps(arn)
    found = steps(arn)
    values = [{"Name": "double", "Value": "42"}, {"Name": "text", "Value": "6.5"}]
    assert found["ask"]["Metadata"]["Lambda"] == {"Arn": function, "OutputParameters": values}
    model_name = found["model"]["Metadata"]["Model"]["Arn"].rpartition("/")[2]
    described = client("sagemaker").describe_model(ModelName=model_name)
    assert described["PrimaryContainer"]["Environment"] == {"TEXT": "6.5"}

    arn = start(n="-1")
    execution = ended(arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert "too small" in steps(arn)["ask"]["FailureReason"]


def test_what_an_execution_knows_of_itself(
    *,
    client: Client,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    put: Callable[..., str],
) -> None:
    variables = ("PipelineName", "PipelineExecutionId", "PipelineExecutionArn")
    said = {"Std:Join": {"On": " ", "Values": [get(f"Execution.{name}") for name in variables]}}
    uri = join(put("report.json", '{"auc": 0.5}').removesuffix("json"), "json")
    auc = {"Std:JsonGet": {"S3Uri": uri, "Path": "auc"}}
    content = definition(condition("gate", [at_least(auc, 0.5)], [fail("tell", said)], []))
    name = create(content)
    arn = start()
    ended(arn)
    assert steps(arn)["tell"]["FailureReason"] == f"{name} {arn.rpartition('/')[2]} {arn}"
    sagemaker = client("sagemaker")
    sagemaker.update_pipeline(
        PipelineName=name, PipelineDefinition=json.dumps(definition(fail("other", "")))
    )
    run = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert json.loads(run["PipelineDefinition"]) == content
    sagemaker.update_pipeline_execution(
        PipelineExecutionArn=arn, PipelineExecutionDescription="looked at"
    )
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    assert described["PipelineExecutionDescription"] == "looked at"
    with pytest.raises(ClientError) as error:
        sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn + "x")
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_fail_step_ends_the_execution(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    waits = processing("waits", "import time; time.sleep(1)")
    end = fail("end", join("the reason is ", get("Parameters.why")), DependsOn=["waits"])
    create(definition(waits, end, processing("long", FOREVER), why=str))
    arn = start(why="known")
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    found = steps(arn)
    assert statuses(found) == {"waits": "Succeeded", "end": "Failed", "long": "Stopped"}
    assert found["end"]["FailureReason"] == "the reason is known"


def test_a_token_starts_one_execution(
    *, client: Client, create: Callable[..., str], start: Callable[..., str], name: str
) -> None:
    create(definition(condition("gate", [at_least(1, 0)], [], []), day=str))
    token = uuid.uuid4().hex
    with ThreadPoolExecutor(4) as pool:
        arns = set(pool.map(lambda _: start(token, day="1"), range(4)))
    assert len(arns) == 1
    assert arns != {start(day="1")}
    with pytest.raises(ClientError):
        start(token, day="2")
    sagemaker = client("sagemaker")
    listed = sagemaker.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]
    assert len(listed) == 2
    newest = [item["PipelineExecutionArn"] for item in listed]
    oldest = sagemaker.get_paginator("list_pipeline_executions").paginate(
        PipelineName=name, SortOrder="Ascending", PaginationConfig={"PageSize": 1}
    )
    pages = [page["PipelineExecutionSummaries"] for page in oldest]
    assert [page[0]["PipelineExecutionArn"] for page in pages] == newest[::-1]
    # boto3 sends times in whole seconds.
    later = listed[0]["StartTime"] + timedelta(seconds=2)
    for bound, count in (("CreatedAfter", 0), ("CreatedBefore", 2)):
        found = sagemaker.list_pipeline_executions(PipelineName=name, **{bound: later})
        assert len(found["PipelineExecutionSummaries"]) == count


def test_parameters_are_checked(
    *, client: Client, create: Callable[..., str], start: Callable[..., str]
) -> None:
    create(definition(condition("gate", [at_least(1, 0)], [], []), day=str, depth=6))
    with pytest.raises(ClientError) as error:
        start(depth="deep", colour="red")
    assert error.value.response["Error"]["Code"] == "ValidationException"
    for word in ("colour", "deep", "day"):
        assert word in str(error.value)
    with pytest.raises(ClientError) as error:
        client("sagemaker").start_pipeline_execution(PipelineName="no-such-pipeline")
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_cached_step_is_taken_over(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    cached = processing("cached", CacheConfig={"Enabled": True, "ExpireAfter": "P1D"})
    cached["Arguments"]["Environment"] = {"DAY": get("Parameters.day")}
    create(definition(cached, day=str))
    first = start(day="1")
    assert ended(first)["PipelineExecutionStatus"] == "Succeeded"
    again, other = start(day="1"), start(day="2")
    assert ended(again)["PipelineExecutionStatus"] == "Succeeded"
    assert ended(other)["PipelineExecutionStatus"] == "Succeeded"
    hit = steps(again)["cached"]
    assert hit["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    assert hit["Metadata"] == steps(first)["cached"]["Metadata"]
    assert "CacheHitResult" not in steps(other)["cached"]


def test_the_limit_of_steps_at_once(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    made = [processing(f"p{n}") for n in range(3)]
    create(definition(*made), ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    found = list(steps(arn).values())
    assert len(found) == 3
    assert all(a["EndTime"] <= b["StartTime"] for a, b in pairwise(found))


def test_a_refused_call_fails_the_step(
    *,
    training: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    step = training("train")
    step["Arguments"]["ResourceConfig"]["InstanceType"] = "ml.abacus"
    create(definition(step))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    found = steps(arn)["train"]
    assert "CreateTrainingJob" in found["FailureReason"]
    assert "ml.abacus" in found["FailureReason"]
    assert found["AttemptCount"] == 1


def test_definitions_are_checked(
    *, client: Client, create: Callable[..., str], name: str, role_arn: str, put: Callable[..., str]
) -> None:
    gate = condition(
        "gate",
        [at_least(get("Parameters.nothing"), report_value("gate", "x"))],
        [fail("twice", "a"), fail("odd", get("Steps.absent.ModelName"))],
        [fail("twice", "b")],
    )
    circle = [fail("a", "", DependsOn=["b"]), fail("b", "", DependsOn=["a"])]
    bad = definition(gate, *circle, {"Name": "odd one", "Type": "Fail"}, {"Name": "x", "Type": "X"})
    bad["Version"] = "2019-01-01"
    with pytest.raises(ClientError) as error:
        create(bad)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    message = str(error.value)
    for words in ("2019-01-01", "'twice'", "'nothing'", "'absent'", "cycle", "'odd one'", "'X'"):
        assert words in message, words
    sagemaker = client("sagemaker")
    with pytest.raises(ClientError) as error:
        sagemaker.describe_pipeline(PipelineName=name)
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"
    with pytest.raises(ClientError, match="should be provided"):
        sagemaker.create_pipeline(PipelineName=name, RoleArn=role_arn)

    good = definition(condition("gate", [at_least(1, 0)], [], []))
    place = put("definition.json", json.dumps(good)).removeprefix("s3://")
    bucket, _, key = place.partition("/")
    request = {
        "PipelineName": name,
        "RoleArn": role_arn,
        "PipelineDefinitionS3Location": {"Bucket": bucket, "ObjectKey": key},
        "ClientRequestToken": uuid.uuid4().hex,
        "Tags": [{"Key": "team", "Value": "ml"}],
    }
    arns = {sagemaker.create_pipeline(**request)["PipelineArn"] for _ in range(2)}
    assert len(arns) == 1
    assert sagemaker.list_tags(ResourceArn=arns.pop())["Tags"] == request["Tags"]
    with pytest.raises(ClientError, match=r"ValidationException.*already exists"):
        create(good)
    described = sagemaker.describe_pipeline(PipelineName=name)
    assert json.loads(described["PipelineDefinition"]) == good
    assert described["PipelineStatus"] == "Active"
    sagemaker.update_pipeline(PipelineName=name, PipelineDescription="new")
    assert sagemaker.describe_pipeline(PipelineName=name)["PipelineDescription"] == "new"
    listed = sagemaker.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"]
    assert [item["PipelineName"] for item in listed] == [name]
    sagemaker.delete_pipeline(PipelineName=name)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_pipeline(PipelineName=name)
