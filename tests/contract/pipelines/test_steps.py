"""What steps of SageMaker pipelines do."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from pipeline_definitions import (
    LAMBDA,
    REPORT,
    Client,
    Json,
    Make,
    at_least,
    condition,
    definition,
    fail,
    get,
    join,
    report_value,
    statuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable


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
