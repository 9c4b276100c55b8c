from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.worker import api_call
from airflow_ml_provider.worker.errors import StepError

GROUP = {"ModelPackageGroupName": "flights"}
RESOURCE = {
    "describe": "describe_model_package_group",
    "key": GROUP,
    "create": "create_model_package_group",
    "request": GROUP,
}


def work(service, action, request, **fields):
    made = {"service": service, "action": action, "request": request}
    return {**made, "resource": None, "creates": False, **fields}


def error(code, message=""):
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def fake(**actions):
    """A client of SageMaker with these methods; an error is raised, anything else answered."""

    def method(answer):
        def call(**request):
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    names = {"describe_model_package_group": "DescribeModelPackageGroup"}
    names |= {"create_model_package_group": "CreateModelPackageGroup"}
    names |= {"create_model": "CreateModel"}
    meta = SimpleNamespace(method_to_api_mapping=names)
    methods = {name: method(answer) for name, answer in actions.items()}
    return lambda service: SimpleNamespace(meta=meta, **methods)


def test_a_call_is_made_and_its_answer_is_not_shown(connect, caplog):
    caplog.set_level("INFO", "airflow_ml_provider")
    topic = connect("sns").create_topic(Name="ml")["TopicArn"]
    said = api_call.run(work("sns", "publish", {"TopicArn": topic, "Message": 6}), connect)
    assert said == "sns publish was called"
    ours = [one for one in caplog.records if one.name.startswith("airflow_ml_provider")]
    assert ours == []


def test_a_missing_resource_is_created(connect):
    request = {**GROUP, "ModelPackageDescription": "new", "ClientToken": "t" * 36}
    made = work("sagemaker", "create_model_package", request, resource=RESOURCE)
    for _ in range(2):
        api_call.run(made, connect)
    sagemaker = connect("sagemaker")
    groups = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert [group["ModelPackageGroupName"] for group in groups] == ["flights"]
    (first, second) = sagemaker.list_model_packages(**GROUP)["ModelPackageSummaryList"]
    assert first["ModelPackageVersion"] != second["ModelPackageVersion"]


def test_what_aws_would_refuse_is_said_at_once(connect):
    with pytest.raises(StepError) as caught:
        api_call.run(work("sns", "publish", {"Text": "x"}), connect)
    assert "AWS would refuse the request: " in str(caught.value)
    assert 'Missing required parameter in input: "Message"' in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_action_is_an_error(connect):
    with pytest.raises(StepError, match="boto3's sns has no 'shout'"):
        api_call.run(work("sns", "shout", {}), connect)


MODEL = {
    "ModelName": "flights",
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/ml",
}


def test_what_is_there_already_is_success_for_what_creates():
    there = error("ValidationException", "Cannot create already existing model")
    made = work("sagemaker", "create_model", MODEL, creates=True)
    assert api_call.run(made, fake(create_model=there)) == "sagemaker create_model was called"
    with pytest.raises(ClientError, match="already existing"):
        api_call.run({**made, "creates": False}, fake(create_model=there))
    with pytest.raises(ClientError, match="Throttling"):
        api_call.run(made, fake(create_model=error("ThrottlingException")))


def test_another_job_may_create_the_resource_first():
    missing = error("ValidationException", "ModelPackageGroup arn does not exist.")
    client = fake(
        describe_model_package_group=missing,
        create_model_package_group=error("ValidationException", "already exists"),
        create_model={"ModelArn": "arn"},
    )
    made = work("sagemaker", "create_model", MODEL, resource=RESOURCE)
    assert api_call.run(made, client) == "sagemaker create_model was called"


def test_an_error_of_the_look_for_the_resource_is_raised():
    client = fake(describe_model_package_group=error("AccessDeniedException"))
    with pytest.raises(ClientError, match="AccessDenied"):
        api_call.run(work("sagemaker", "create_model", MODEL, resource=RESOURCE), client)
