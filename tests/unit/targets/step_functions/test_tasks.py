from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import JobField, Parameter, Retry
from airflow_ml_provider.pipeline.values import ResourceName, Text, Token
from airflow_ml_provider.plan.nodes import Approval, Call, Invoke, Resource
from airflow_ml_provider.targets.approval_relay import HEARTBEAT_SECONDS

GROUP = {"ModelPackageGroupName": "flights"}


@pytest.mark.parametrize(
    ("kind", "action", "field"),
    [
        ("sagemaker_training", "createTrainingJob", "TrainingJobName"),
        ("sagemaker_processing", "createProcessingJob", "ProcessingJobName"),
        ("sagemaker_transform", "createTransformJob", "TransformJobName"),
        ("sagemaker_tuning", "createHyperParameterTuningJob", "HyperParameterTuningJobName"),
    ],
)
def test_sagemaker_jobs(states_of, job, kind, action, field):
    states = states_of(job("work", kind=kind, request={"RoleArn": "r", "Tags": []}))
    assert states["work"]["Resource"] == f"arn:aws:states:::sagemaker:{action}.sync"
    assert list(states["work"]["Parameters"]) == [f"{field}.$", "RoleArn", "Tags"]
    assert states["work"]["TimeoutSeconds"] == 60 + 1800
    assert states["work"]["ResultPath"] is None
    assert ("suffix.$" in states["Run"]["Parameters"]["run"]) == (kind == "sagemaker_tuning")


def test_a_glue_job_is_defined_before_its_run(states_of, job):
    definition = {"Role": "r", "Command": {"ScriptLocation": "s3://b/x.py"}, "Tags": {"a": "b"}}
    request = {
        "JobName": "p-daily",
        "Definition": definition,
        "Arguments": {"--a": Parameter("a", 1)},
    }
    states = states_of(job("daily", kind="glue", request=request))
    create, update, run = (states[f"daily{one}"] for one in (": create job", ": update job", ""))
    assert create["Parameters"] == {"Name": "p-daily", **definition}
    assert create["Catch"][0]["ErrorEquals"][0] == "Glue.AlreadyExistsException"
    assert create["Catch"][0]["Next"] == "daily: update job"
    assert create["Next"] == update["Next"] == "daily"
    assert update["Parameters"]["JobName"] == "p-daily"
    assert list(update["Parameters"]["JobUpdate"]) == ["Role", "Command"]
    assert run["Resource"] == "arn:aws:states:::glue:startJobRun.sync"
    assert run["Parameters"] == {
        "JobName": "p-daily",
        "Arguments": {"--scriptLocation": "s3://b/x.py", "--a.$": "$.parameters.a"},
    }


def test_a_glue_job_that_is_there_is_only_run(states_of, job):
    states = states_of(job("daily", kind="glue", request={"JobName": "there"}))
    assert "daily: create job" not in states
    assert states["daily"]["Parameters"] == {"JobName": "there", "Arguments": {}}


def test_emr_serverless_wants_pascal_case(states_of, job):
    request = {
        "applicationId": Parameter("app", "00a"),
        "jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/x.py", "entryPointArguments": ["a"]}},
        "tags": {"team": "ml"},
    }
    first = job("spark", kind="emr_serverless", request=request)
    later = job("b", ("spark",), request={"Environment": {"X": JobField("spark", ("jobRunId",))}})
    states = states_of(first, later)
    tried = "$$.Execution.RedriveCount, $$.State.RetryCount"
    name = f"States.Format('p-spark-{{}}-{{}}-{{}}', $.run.hash, {tried})"
    assert states["spark"]["Parameters"] == {
        "Name.$": name,
        "ClientToken.$": name,
        "ApplicationId.$": "$.parameters.app",
        "JobDriver": {"SparkSubmit": {"EntryPoint": "s3://b/x.py", "EntryPointArguments": ["a"]}},
        "Tags": {"team": "ml"},
    }
    assert states["spark"]["ResultSelector"] == {"JobRunId.$": "$.JobRunId"}
    assert states["spark"]["ResultPath"] == "$.steps.spark"
    assert states["b"]["Parameters"]["Environment"] == {"X.$": "$.steps.spark.JobRunId"}


def test_a_lambda_function(states_of, job):
    function = Invoke(
        name="f",
        retry=(Retry(2),),
        function="split",
        payload={"day": Parameter("day", "x")},
        timeout_seconds=90,
    )
    later = job("b", ("f",), request={"Environment": {"X": JobField("f", ("a", "b"))}})
    states = states_of(function, later)
    assert states["f"]["Parameters"] == {
        "FunctionName": "split",
        "Payload": {"day.$": "$.parameters.day"},
    }
    assert states["f"]["TimeoutSeconds"] == 90
    assert states["f"]["ResultSelector"] == {"Payload": {"a": {"b.$": "$.Payload.a.b"}}}
    assert states["b"]["Parameters"]["Environment"] == {"X.$": "$.steps.f.Payload.a.b"}


def test_a_resource_is_made_where_it_is_missing(states_of):
    call = Call(
        name="register",
        retry=(),
        service="sagemaker",
        action="create_model_package",
        request={**GROUP, "ClientToken": Token()},
        resource=Resource(
            describe="describe_model_package_group",
            key=GROUP,
            create="create_model_package_group",
            request=GROUP,
        ),
    )
    states = states_of(call)
    describe, create = states["register: describe"], states["register: create"]
    assert describe["Resource"].endswith(":aws-sdk:sagemaker:describeModelPackageGroup")
    assert describe["Next"] == create["Next"] == "register"
    assert describe["Catch"][0]["Next"] == "register: create"
    # Whoever else made it: the call itself tells whether it is there.
    assert create["Catch"][0]["Next"] == "register"
    token = "States.Hash(States.Format('{} register', $.run.hash), 'MD5')"
    assert states["register"]["Parameters"] == {**GROUP, "ClientToken.$": token}


def test_what_an_earlier_try_made_is_success(states_of, send):
    call = Call(
        name="model",
        retry=(Retry(1),),
        service="sagemaker",
        action="create_model",
        request={"ModelName": ResourceName("model")},
        creates=True,
    )
    states = states_of(call, send("after", "q", ("model",)))
    assert states["model"]["Catch"][0]["Next"] == "model: there already"
    asked = states["model: there already"]
    assert asked["Choices"][0]["Next"] == states["model"]["Next"] == "after"
    assert asked["Default"] == "Failed"


def test_values_that_need_a_state_of_their_own(states_of, job):
    request = {"Arguments": [Parameter("a", "x"), {"b": Parameter("c", 1)}]}
    states = states_of(job("work", request=request))
    assert states["work: values"]["Parameters"] == {"v0": {"b.$": "$.parameters.c"}}
    assert states["work: values"]["Next"] == "work"


def test_an_approval_asks_a_queue(states_of, send):
    wait = {"model": "register", "queue_url": "https://sqs/q", "poll_seconds": 60}
    states = states_of(
        send("register", "q"),
        Approval(name="ask", after=("register",), timeout_seconds=7200, **wait),
        Approval(name="quick", after=("ask",), timeout_seconds=600, **wait),
    )
    assert states["ask"]["Resource"] == "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    assert states["ask"]["Parameters"] == {
        "QueueUrl": "https://sqs/q",
        "MessageBody": {
            "token.$": "$$.Task.Token",
            "arguments": {"model_package_arn.$": "$.steps.register.ModelPackageArn"},
            "pipeline": "p",
            "step": "ask",
        },
    }
    assert states["ask"]["HeartbeatSeconds"] == HEARTBEAT_SECONDS
    assert "HeartbeatSeconds" not in states["quick"]
    assert states["register"]["ResultSelector"] == {"ModelPackageArn.$": "$.ModelPackageArn"}


def test_text_parameters_stay_text(states_of, job):
    depth = Text.of(Parameter("depth", 5))
    states = states_of(job("work", request={"HyperParameters": {"depth": depth}}))
    assert states["work"]["Parameters"]["HyperParameters"] == {
        "depth.$": "States.Format('{}', $.parameters.depth)"
    }
