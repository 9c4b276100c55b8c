from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from airflow_ml_provider._compat import AirflowFailException
from airflow_ml_provider.operators.aws_call import AwsCallOperator
from airflow_ml_provider.operators.register_model import RegisterModelOperator
from airflow_ml_provider.operators.task_token import client_token

META = SimpleNamespace(
    method_to_api_mapping={
        "publish": "Publish",
        "create_model_package": "CreateModelPackage",
        "create_model_package_group": "CreateModelPackageGroup",
    }
)


class AwsError(Exception):
    def __init__(self, code, message=""):
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}}


class Registry:
    meta = META

    def __init__(self, described=None, created=None):
        self.described, self.created, self.calls = described, created, []

    def describe_model_package_group(self, **request):
        self.calls.append(("describe", request))
        if self.described:
            raise self.described

    def create_model_package_group(self, **request):
        self.calls.append(("create", request))
        if self.created:
            raise self.created

    def create_model_package(self, **request):
        self.calls.append(("register", request))
        return {"ModelPackageArn": "arn:package", "ResponseMetadata": {}}

    @property
    def names(self):
        return [name for name, _ in self.calls]


def register():
    return RegisterModelOperator(
        task_id="register",
        group="flight-delays",
        model_data="s3://lake/model.tar.gz",
        image_uri="image:1",
        report="s3://lake/evaluation.json",
    )


MISSING = AwsError("ValidationException", "ModelPackageGroup arn:... does not exist.")


def test_answers_small_json_without_metadata(clients, context):
    moment = datetime(2026, 1, 2, tzinfo=timezone.utc)
    answer = {"MessageId": "1", "At": [{"Time": moment}], "ResponseMetadata": {"x": 1}}
    made = []
    clients["sns"] = SimpleNamespace(meta=META, publish=lambda **r: made.append(r) or answer)
    request = {"Message": "token: yes", "TopicArn": "arn", "MessageDeduplicationId": "token:"}
    task = AwsCallOperator(task_id="tell", service="sns", action="publish", request=request)
    assert task.execute(context) == {
        "MessageId": "1",
        "At": [{"Time": "2026-01-02T00:00:00+00:00"}],
    }
    assert made == [{**request, "MessageDeduplicationId": client_token(context)}]


def test_a_request_that_aws_would_refuse_is_not_sent(clients, context):
    clients["sns"] = SimpleNamespace(meta=META)
    task = AwsCallOperator(task_id="tell", service="sns", action="publish", request={"Massage": 1})
    with pytest.raises(AirflowFailException, match="Massage"):
        task.execute(context)


def test_registers_a_model_into_the_group_there_is(clients, context):
    registry = clients["sagemaker"] = Registry()
    assert register().execute(context) == {"ModelPackageArn": "arn:package"}
    assert registry.names == ["describe", "register"]
    request = registry.calls[-1][1]
    container = request["InferenceSpecification"]["Containers"][0]
    assert container == {"Image": "image:1", "ModelDataUrl": "s3://lake/model.tar.gz"}
    quality = request["ModelMetrics"]["ModelQuality"]["Statistics"]
    assert quality["S3Uri"] == "s3://lake/evaluation.json"
    assert request["ClientToken"] == client_token(context)


@pytest.mark.parametrize(
    "created",
    [
        None,
        AwsError("ValidationException", "Model Package Group already exists: arn:..."),
        AwsError("ConflictException"),
    ],
)
def test_a_missing_group_is_created_whoever_is_quicker(clients, context, created):
    registry = clients["sagemaker"] = Registry(MISSING, created)
    register().execute(context)
    assert registry.names == ["describe", "create", "register"]


@pytest.mark.parametrize(
    ("described", "created", "raised"),
    [
        (AwsError("AccessDenied"), None, AirflowFailException),
        (MISSING, AwsError("Throttling"), AwsError),
        (
            MISSING,
            AwsError("ValidationException", "The role does not exist."),
            AirflowFailException,
        ),
    ],
)
def test_another_error_of_the_resource_is_passed_on(clients, context, described, created, raised):
    registry = clients["sagemaker"] = Registry(described, created)
    with pytest.raises(raised):
        register().execute(context)
    assert "register" not in registry.names
