from __future__ import annotations

from datetime import datetime, timezone

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from airflow_ml_provider.mwaa.environment import MwaaError, Update, Used, read, request, wait

ARN = "arn:aws:airflow:eu-central-1:123456789012:environment/production"
ROLE = "arn:aws:iam::123456789012:role/service-role/airflow"
FIRST, SECOND = (datetime(2026, 11, day, tzinfo=timezone.utc) for day in (1, 2))


def described(**fields):
    return {
        "Environment": {
            "Name": "production",
            "Arn": ARN,
            "Status": "AVAILABLE",
            "AirflowVersion": "3.3.1",
            "SourceBucketArn": "arn:aws:s3:::source",
            "ExecutionRoleArn": ROLE,
            "DagS3Path": "team/dags/",
            "LastUpdate": {"Status": "SUCCESS", "CreatedAt": FIRST},
            **fields,
        }
    }


@pytest.fixture
def mwaa():
    """Give a client, and a function by which it answers these descriptions in turn."""
    client = boto3.client(
        "mwaa", "eu-central-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    with Stubber(client) as stub:

        def answers(*found):
            for one in found:
                stub.add_response("get_environment", one, {"Name": "production"})

        client.answers, client.stub = answers, stub
        yield client
        stub.assert_no_pending_responses()


def test_what_is_read(mwaa):
    logs = {
        "Enabled": True,
        "CloudWatchLogGroupArn": "arn:aws:logs:eu-central-1:123456789012:log-group:airflow-S:*",
    }
    mwaa.answers(
        described(
            PluginsS3Path="plugins.zip",
            PluginsS3ObjectVersion="v1",
            AirflowConfigurationOptions={"core.parallelism": "5"},
            LoggingConfiguration={"SchedulerLogs": logs, "WorkerLogs": {"Enabled": False}},
        )
    )
    found = read(mwaa, "production")
    assert (found.partition, found.region, found.account_id) == (
        "aws",
        "eu-central-1",
        "123456789012",
    )
    assert (found.bucket, found.dags, found.role_arn) == ("source", "team/dags", ROLE)
    assert found.files == {
        "plugins.zip": Used("plugins.zip", "v1"),
        "requirements.txt": Used(),
        "startup.sh": Used(),
    }
    assert found.log_groups == ("airflow-S",)
    assert found.kms_key == ""
    assert found.update == Update("SUCCESS", FIRST)
    # Options may hold secrets.
    assert "parallelism" not in repr(found)


@pytest.mark.parametrize(
    ("given", "key"),
    [("arn:aws:kms:eu-central-1:123456789012:key/a",) * 2, ("AWS_OWNED_KMS_KEY", "")],
)
def test_only_a_key_of_yours_is_read(mwaa, given, key):
    mwaa.answers(described(KmsKey=given))
    assert read(mwaa, "production").kms_key == key


def test_an_environment_that_is_not_there(mwaa):
    mwaa.stub.add_client_error("get_environment", "ResourceNotFoundException")
    mwaa.stub.add_response("list_environments", {"Environments": ["staging", "test"]})
    with pytest.raises(MwaaError, match="'production' in eu-central-1; there: staging, test"):
        read(mwaa, "production")


def test_other_errors_are_passed_on(mwaa):
    mwaa.stub.add_client_error("get_environment", "AccessDeniedException")
    with pytest.raises(mwaa.exceptions.ClientError, match="AccessDenied"):
        read(mwaa, "production")


def test_a_request_names_what_there_is():
    files = {"requirements.txt": Used("r.txt", "v2"), "startup.sh": Used("startup.sh")}
    assert request("production", files) == {
        "Name": "production",
        "RequirementsS3Path": "r.txt",
        "RequirementsS3ObjectVersion": "v2",
        "StartupScriptS3Path": "startup.sh",
    }


def updating(status="UPDATING", update="PENDING", **error):
    last = {"Status": update, "CreatedAt": SECOND}
    return described(Status=status, LastUpdate={**last, **({"Error": error} if error else {})})


@pytest.fixture
def waited(mwaa):
    """Give a function that waits, and returns the environment and the states that were told."""

    def run(*answers, timeout_seconds=60.0):
        mwaa.answers(described(), *answers)
        told = []
        now = wait(
            mwaa,
            read(mwaa, "production"),
            timeout_seconds=timeout_seconds,
            poll_seconds=30,
            sleep=lambda _: None,
            tell=told.append,
        )
        return now, told

    return run


def test_the_update_before_this_one_is_not_taken_for_it(waited):
    now, told = waited(described(), updating(), updating(), updating("AVAILABLE", "SUCCESS"))
    assert now.update == Update("SUCCESS", SECOND)
    assert told == ["UPDATING", "AVAILABLE"]


def test_an_earlier_failure_is_not_taken_for_this_one(waited):
    now, _ = waited(updating("UPDATE_FAILED"), updating(), updating("AVAILABLE", "SUCCESS"))
    assert now.status == "AVAILABLE"


def test_a_failure_tells_the_reason_of_aws(waited):
    failed = updating(
        "ROLLING_BACK", "FAILED", ErrorCode="INCORRECT_CONFIGURATION", ErrorMessage="no route"
    )
    with pytest.raises(MwaaError, match="is ROLLING_BACK: INCORRECT_CONFIGURATION: no route"):
        waited(updating(), failed)


def test_a_failure_without_a_reason(waited):
    with pytest.raises(MwaaError, match="is UNAVAILABLE: AWS gave no reason"):
        waited(updating("UNAVAILABLE"))


def test_no_time_is_left(waited):
    with pytest.raises(MwaaError, match="still AVAILABLE after 0 minutes; its update goes on"):
        waited(timeout_seconds=0)


def test_a_lost_connection_is_waited_out(mwaa, monkeypatch):
    mwaa.answers(described())
    before = read(mwaa, "production")
    mwaa.answers(updating("AVAILABLE", "SUCCESS"))
    look, tries = mwaa.get_environment, []

    def once_lost(**request):
        tries.append(request)
        if len(tries) == 1:
            raise EndpointConnectionError(endpoint_url="https://aws")
        return look(**request)

    monkeypatch.setattr(mwaa, "get_environment", once_lost)
    now = wait(mwaa, before, timeout_seconds=60, sleep=lambda _: None)
    assert (now.status, len(tries)) == ("AVAILABLE", 2)
