from __future__ import annotations

import io
import json

import pytest

from airflow_ml_provider._compat import AirflowException, AirflowFailException
from airflow_ml_provider.operators.lambda_call import LambdaCallOperator
from airflow_ml_provider.operators.task_token import client_token


class Lambda:
    def __init__(self, answer=b'{"ok": 1}', error=None, raised=None):
        self.answer, self.error, self.raised, self.calls = answer, error, raised, []

    def invoke(self, **request):
        self.calls.append(request)
        if self.raised:
            raise self.raised
        error = {"FunctionError": self.error} if self.error else {}
        return {"Payload": io.BytesIO(self.answer), **error}


class RefusedError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.response = {"Error": {"Code": code, "Message": "no"}}


@pytest.mark.parametrize("payload", [{"a": 1, "t": "token:"}, '{"a": 1, "t": "token:"}'])
def test_answers_the_payload(context, clients, payload):
    clients["lambda"] = function = Lambda()
    task = LambdaCallOperator(task_id="fn", function="f", payload=payload)
    assert task.execute(context) == {"ok": 1}
    (request,) = function.calls
    assert request["FunctionName"] == "f"
    assert json.loads(request["Payload"]) == {"a": 1, "t": client_token(context)}


def test_an_empty_answer_is_none(context, clients):
    clients["lambda"] = function = Lambda(answer=b"")
    assert LambdaCallOperator(task_id="fn", function="f").execute(context) is None
    assert function.calls[0]["Payload"] == b"{}"


def test_the_functions_error_fails_the_task(context, clients):
    clients["lambda"] = Lambda(b'{"errorMessage": "boom"}', error="Unhandled")
    with pytest.raises(AirflowException, match=r"f failed: .*boom") as caught:
        LambdaCallOperator(task_id="fn", function="f").execute(context)
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize(
    ("attempts", "refusal", "last_try"),
    [
        ({"service": 2, "job": 0}, None, 1),
        ({"service": 2, "job": 1}, None, 2),
        ({"service": 0, "job": 2}, None, 3),
        ({"service": 2, "job": 0}, "TooManyRequestsException", 3),
        ({"service": 1, "job": 2}, "TooManyRequestsException", 2),
        ({"service": 2, "job": 2}, "ResourceNotFoundException", 1),
    ],
)
def test_a_failure_uses_the_attempts_of_its_class(context, clients, attempts, refusal, last_try):
    ti = context["ti"]
    ti.max_tries = 2
    task = LambdaCallOperator(task_id="fn", function="f", attempts=attempts, retries=2)
    for ti.try_number in range(1, last_try + 1):
        raised = RefusedError(refusal) if refusal else None
        clients["lambda"] = Lambda(b"boom", error="Unhandled", raised=raised)
        with pytest.raises((AirflowException, RefusedError)) as caught:
            task.execute(context)
        assert isinstance(caught.value, AirflowFailException) is (ti.try_number == last_try)
