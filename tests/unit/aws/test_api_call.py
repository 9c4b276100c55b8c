from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.aws.api_call import RefusedCallError, call

GROUP = {"ModelPackageGroupName": "flights"}
RESOURCE = {
    "describe": "describe_model_package_group",
    "key": GROUP,
    "create": "create_model_package_group",
    "request": GROUP,
}
MODEL = {"ModelName": "flights", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/ml"}
MISSING = ("ValidationException", "ModelPackageGroup arn:... does not exist.")


def error(code, message=""):
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


class SageMaker:
    """A client that raises these errors, by method, and keeps the names of its calls."""

    meta = SimpleNamespace(
        method_to_api_mapping={
            "create_model": "CreateModel",
            "create_model_package_group": "CreateModelPackageGroup",
        }
    )

    def __init__(self, **errors):
        self.errors, self.calls = errors, []

    def __getattr__(self, name):
        def method(**_):
            self.calls.append(name.split("_")[0] + "_group" * name.endswith("group"))
            if name in self.errors:
                raise self.errors[name]
            return {"ModelArn": "arn"}

        return method


def test_the_answer_is_that_of_the_call():
    client = SageMaker()
    assert call(client, "sagemaker", "create_model", MODEL) == {"ModelArn": "arn"}
    assert client.calls == ["create"]


def test_a_resource_that_is_there_is_left_alone():
    client = SageMaker()
    call(client, "sagemaker", "create_model", MODEL, RESOURCE)
    assert client.calls == ["describe_group", "create"]


@pytest.mark.parametrize(
    "created",
    [
        None,
        error("ValidationException", "Model Package Group already exists: arn:..."),
        error("ConflictException"),
        error("ResourceInUse"),
    ],
)
def test_a_missing_resource_is_created_whoever_is_quicker(created):
    errors = {"create_model_package_group": created} if created else {}
    client = SageMaker(describe_model_package_group=error(*MISSING), **errors)
    call(client, "sagemaker", "create_model", MODEL, RESOURCE)
    assert client.calls == ["describe_group", "create_group", "create"]


@pytest.mark.parametrize(
    "errors",
    [
        {"describe_model_package_group": error("AccessDenied")},
        {
            "describe_model_package_group": error(*MISSING),
            "create_model_package_group": error("Throttling"),
        },
    ],
)
def test_another_error_of_the_resource_is_passed_on(errors):
    client = SageMaker(**errors)
    with pytest.raises(ClientError):
        call(client, "sagemaker", "create_model", MODEL, RESOURCE)
    assert "create" not in client.calls


def test_what_is_there_already_is_success_for_what_creates():
    there = error("ValidationException", "Cannot create already existing model")
    client = SageMaker(create_model=there)
    assert call(client, "sagemaker", "create_model", MODEL, creates=True) == {}
    with pytest.raises(ClientError, match="already existing"):
        call(client, "sagemaker", "create_model", MODEL)
    client = SageMaker(create_model=error("ThrottlingException"))
    with pytest.raises(ClientError, match="Throttling"):
        call(client, "sagemaker", "create_model", MODEL, creates=True)


def test_all_that_aws_would_refuse_is_named_before_anything_is_called():
    client = SageMaker()
    with pytest.raises(RefusedCallError) as caught:
        call(client, "sagemaker", "nothing", {}, {**RESOURCE, "request": {"Name": "flights"}})
    assert caught.value.problems[0] == "boto3's sagemaker has no 'nothing'"
    assert any("ModelPackageGroupName" in problem for problem in caught.value.problems)
    assert str(caught.value).startswith("AWS would refuse the request: boto3's")
    assert client.calls == []
