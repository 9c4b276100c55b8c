"""Lambda functions in Python: what they get, answer and log, and how they fail."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

CODE = """
import os, sys, time
import boto3

def handle(event, context):
    print("asked for", event["do"])
    if event["do"] == "raise":
        raise ValueError("no such flight")
    if event["do"] == "exit":
        os._exit(3)
    if event["do"] == "sleep":
        time.sleep(30)
    assert context.get_remaining_time_in_millis() > 0
    return {"double": 2 * event["n"], "name": context.function_name, "key": os.environ["KEY"],
            "arn": boto3.client("sts").get_caller_identity()["Account"]}
"""


def zipped(text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", text)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def function(client):
    iam = client("iam")
    trust = {"Version": "2012-10-17", "Statement": []}
    role = iam.create_role(RoleName="functions", AssumeRolePolicyDocument=json.dumps(trust))
    name = "double"
    client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role["Role"]["Arn"],
        Handler="app.handle",
        Timeout=10,
        Code={"ZipFile": zipped(CODE)},
        Environment={"Variables": {"KEY": "value"}},
    )
    return name


def invoke(client, function, **event):
    answer = client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def test_it_gets_its_event_and_answers(client, function):
    error, answer = invoke(client, function, do="double", n=21)
    assert error is None
    assert answer == {"double": 42, "name": "double", "key": "value", "arn": "123456789012"}


def test_its_exception_is_told(client, function):
    error, answer = invoke(client, function, do="raise")
    assert error
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "no such flight")


def test_a_process_that_ends_is_an_error(client, function):
    error, answer = invoke(client, function, do="exit")
    assert error
    assert "exit status 3" in answer["errorMessage"]


def test_its_time_is_limited(client, function):
    error, answer = invoke(client, function, do="sleep")
    assert error
    assert "Task timed out after 10.00 seconds" in answer["errorMessage"]


def test_what_it_prints_is_logged(client, function):
    invoke(client, function, do="double", n=1)
    found = client("logs").filter_log_events(logGroupName="/aws/lambda/double")
    assert "asked for double" in [event["message"] for event in found["events"]]
