from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from airflow_ml_provider._compat import AirflowFailException
from airflow_ml_provider.operators.aws_call import AwsCallOperator
from airflow_ml_provider.operators.register_model import RegisterModelOperator
from airflow_ml_provider.operators.task_token import client_token, task_token

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

    def __init__(self, described=None):
        self.described, self.calls = described, []

    def describe_model_package_group(self, **request):
        self.calls.append(("describe", request))
        if self.described:
            raise self.described

    def create_model_package_group(self, **request):
        self.calls.append(("create", request))

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


def test_a_missing_group_is_created(clients, context):
    registry = clients["sagemaker"] = Registry(MISSING)
    register().execute(context)
    assert registry.names == ["describe", "create", "register"]


def test_what_is_refused_for_good_fails_the_task(clients, context):
    registry = clients["sagemaker"] = Registry(AwsError("AccessDenied"))
    with pytest.raises(AirflowFailException):
        register().execute(context)
    assert "register" not in registry.names


class Models:
    meta = SimpleNamespace(method_to_api_mapping={"create_model": "CreateModel"})

    def __init__(self, error=None):
        self.error, self.requests = error, []

    def create_model(self, **request):
        self.requests.append(request)
        if self.error:
            raise self.error
        return {"ModelArn": "arn:aws:sagemaker:eu-central-1:123456789012:model/m"}


def create(**options):
    return AwsCallOperator(
        task_id="model",
        service="sagemaker",
        action="create_model",
        request={"ModelName": "name:#own", "ExecutionRoleArn": ROLE},
        **options,
    )


ROLE = "arn:aws:iam::123456789012:role/ml"


def test_what_is_created_has_a_name_that_others_find(context, ti, clients):
    clients["sagemaker"] = models = Models()
    create().execute(context)
    (request,) = models.requests
    assert request["ModelName"] == task_token(context) == ti.xcoms["resource_name"]


def test_what_is_there_already_is_success_where_the_call_creates(context, clients):
    there = AwsError("ValidationException", 'Cannot create already existing model "m".')
    clients["sagemaker"] = Models(there)
    with pytest.raises(AirflowFailException, match="already existing"):
        create().execute(context)
    assert create(creates=True).execute(context) == {}
