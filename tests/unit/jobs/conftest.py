"""A boto3 client whose answers a test gives; requests are checked against botocore's models."""

from __future__ import annotations

import functools
import math

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from airflow_ml_provider.jobs.start import start

SESSION = botocore.session.Session()


@functools.cache
def _client(service):
    return SESSION.create_client(
        service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


class FakeAws:
    """Answers an operation with a value, an error, the next of a list, or a function's result."""

    def __init__(self, service, answers):
        self.answers = answers
        self.calls = []
        self.client = _client(service)
        self.client._make_api_call = self._call

    @property
    def actions(self):
        prefix = {"emr-serverless": "emr-serverless"}.get(self.service, self.service)
        special = {"s3:GetObject": {"s3:GetObject", "s3:ListBucket"}}
        special["s3:ListObjectsV2"] = {"s3:ListBucket"}
        called = {f"{prefix}:{operation}" for operation, _ in self.calls}
        return set().union(*(special.get(one, {one}) for one in called))

    @property
    def service(self):
        return self.client.meta.service_model.service_name

    def names(self):
        return [operation for operation, _ in self.calls]

    def _call(self, operation, params):
        shape = self.client.meta.service_model.operation_model(operation).input_shape
        errors = ParamValidator().validate(params, shape)
        assert not errors.has_errors(), errors.generate_report()
        self.calls.append((operation, params))
        answer = self.answers[operation]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(**params)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def begin():
    """Start a job with one client and without end of patience."""

    def begin(kind, client, request, token, **options):
        return start(kind, lambda: client, request, token, deadline=math.inf, **options)

    return begin


@pytest.fixture
def aws():
    """Make a FakeAws: ``aws("glue", GetJob=..., StartJobRun=[..., ...])``."""

    def make(service, **answers):
        return FakeAws(service, answers)

    return make


@pytest.fixture
def refusal():
    """Make a botocore ClientError."""

    def make(code, message="", status=400):
        return ClientError(
            {
                "Error": {"Code": code, "Message": message},
                "ResponseMetadata": {"HTTPStatusCode": status},
            },
            "Operation",
        )

    return make
