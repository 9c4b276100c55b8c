"""The trigger: the function, as its template holds it, against MWAA's answers on the wire."""

from __future__ import annotations

import io
import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Deploy = Callable[..., dict[str, str]]

SOURCE = Path(__file__).parents[3] / "mwaa/cloudformation/start_run.py"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"
GIVEN = {"DagId": "flights", "BucketName": "lake", "Prefix": "incoming/", "KeyArn": KEY}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
EVENT = {
    "id": "2d3ab8b9-9a12-4a9d-9c3f-0d2d6ce1f2f1",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "time": "2026-01-02T03:04:05Z",
    "detail": {
        "bucket": {"name": "lake"},
        "object": {"key": "incoming/a.csv", "version-id": "v1", "sequencer": "0A1B"},
    },
}


class Mwaa:
    """Answers as MWAA's endpoint would, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.urls: list[str] = []
        self.answer: tuple[int, dict[str, str], dict[str, Any]] = (
            200,
            {},
            {"RestApiStatusCode": 200, "RestApiResponse": {"state": "queued"}},
        )

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        self.urls.append(request.url)
        self.asked.append(json.loads(request.body))
        status, headers, body = self.answer
        content = json.dumps(body).encode()
        response = AWSResponse(request.url, status, headers, io.BytesIO(content))
        response._content = content
        return response

    def refuses(self, kind: str, status: int, response: dict[str, Any]) -> None:
        body = {"RestApiStatusCode": status, "RestApiResponse": response}
        self.answer = (400, {"x-amzn-ErrorType": kind}, body)


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AIRFLOW_VERSION", "3.3.1")
    monkeypatch.setenv("ENVIRONMENT", "ml")
    monkeypatch.setenv("DAG_ID", "flights")
    spec = spec_from_file_location("start_run", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def mwaa(monkeypatch: pytest.MonkeyPatch) -> Mwaa:
    fake = Mwaa()
    client = boto3.client(
        "mwaa",
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    client.meta.events.register("before-send.mwaa.InvokeRestApi", fake)
    monkeypatch.setattr(boto3, "client", lambda _service: client)
    return fake


def test_an_object_starts_a_run(function: ModuleType, mwaa: Mwaa) -> None:
    answer = function.start(EVENT, None)
    (asked,) = mwaa.asked
    assert asked["Method"] == "POST"
    assert asked["Path"] == "/dags/flights/dagRuns"
    assert asked["Body"] == {
        "dag_run_id": answer["run"],
        "logical_date": None,
        "conf": {"uri": "s3://lake/incoming/a.csv", "version_id": "v1"},
    }
    assert answer["state"] == "queued"
    assert mwaa.urls == ["https://env.airflow.eu-central-1.amazonaws.com/restapi/ml"]


def test_airflow_2_is_given_no_logical_date(
    function: ModuleType, mwaa: Mwaa, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VERSION", "2.11.2")
    function.start(EVENT, None)
    assert "logical_date" not in mwaa.asked[0]["Body"]


def test_a_folder_that_the_console_makes_starts_nothing(function: ModuleType, mwaa: Mwaa) -> None:
    folder = {**EVENT["detail"]["object"], "key": "incoming/"}
    function.start({**EVENT, "detail": {**EVENT["detail"], "object": folder}}, None)
    assert mwaa.asked == []


def test_a_second_delivery_starts_nothing(function: ModuleType, mwaa: Mwaa) -> None:
    first = function.start(EVENT, None)
    mwaa.refuses("RestApiClientException", 409, {"detail": "DAGRun with that id already exists"})
    second = function.start({**EVENT, "id": "another", "time": "2026-01-02T03:04:06Z"}, None)
    assert second == {"run": first["run"], "state": "already started"}


def test_the_same_key_written_again_is_another_run(function: ModuleType, mwaa: Mwaa) -> None:
    first = function.start(EVENT, None)
    written = {**EVENT["detail"]["object"], "sequencer": "0A1C"}
    again = {**EVENT, "detail": {**EVENT["detail"], "object": written}}
    assert function.start(again, None)["run"] != first["run"]


def test_a_refusal_says_what_airflow_answered(function: ModuleType, mwaa: Mwaa) -> None:
    mwaa.refuses("RestApiClientException", 404, {"detail": "The Dag with ID flights was not found"})
    with pytest.raises(RuntimeError, match="The Dag with ID flights was not found"):
        function.start(EVENT, None)


def test_a_failure_of_the_server_is_tried_again_by_lambda(function: ModuleType, mwaa: Mwaa) -> None:
    mwaa.refuses("RestApiServerException", 500, {"detail": "no database"})
    with pytest.raises(Exception, match="RestApiServerException"):
        function.start(EVENT, None)


def test_the_template_holds_the_function(templates: dict[str, Any]) -> None:
    code = templates["trigger"]["Resources"]["Start"]["Properties"]["Code"]["ZipFile"]
    assert code == SOURCE.read_text()
    assert len(code) <= 4096


def test_the_rule_hears_of_the_objects(deploy: Deploy) -> None:
    deploy("trigger", **GIVEN, Suffix=".csv")
    events = boto3.client("events")
    (rule,) = events.list_rules()["Rules"]
    assert json.loads(rule["EventPattern"]) == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": ["lake"]},
            "object": {"key": [{"wildcard": "incoming/*.csv"}]},
        },
    }


def test_the_rule_may_call_the_function(deploy: Deploy) -> None:
    made = deploy("trigger", **GIVEN)
    (rule,) = boto3.client("events").list_rules()["Rules"]
    policy = boto3.client("lambda").get_policy(FunctionName=made["FunctionName"])["Policy"]
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    # EventBridge sends no aws:SourceAccount: a policy that asks for it refuses every event.
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": rule["Arn"]}}


def test_the_function_may_start_runs_and_no_more(deploy: Deploy) -> None:
    deploy("trigger", **GIVEN, AirflowRole="Op")
    iam = boto3.client("iam")
    (role,) = iam.list_roles()["Roles"]
    policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName="Start")["PolicyDocument"]
    allowed = {one["Sid"]: one for one in policy["Statement"]}
    assert set(allowed) == {"StartRuns", "WriteLogs", "KeepWhatFailed"}
    assert allowed["StartRuns"]["Action"] == "airflow:InvokeRestApi"
    arn = "arn:aws:airflow:eu-central-1:123456789012:role/ml/Op"
    assert allowed["StartRuns"]["Resource"] == arn


def test_the_path_of_every_dag_that_is_taken_fits(templates: dict[str, Any]) -> None:
    for name, parameter in (("trigger", "DagId"), ("main", "TriggerDagId")):
        pattern = templates[name]["Parameters"][parameter]["AllowedPattern"]
        longest = int(pattern.rpartition(",")[2].rstrip("}"))
        # botocore's model of InvokeRestApi has the bound.
        assert len(f"/dags/{'x' * longest}/dagRuns") == 64
