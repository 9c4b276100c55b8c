"""The environment: each class and version, held against botocore's model and MWAA's rules."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from airflow_ml_provider.mwaa.versions import VERSIONS
from airflow_ml_provider.pipeline.account import configured

if TYPE_CHECKING:
    from collections.abc import Callable

    Deploy = Callable[..., dict[str, str]]
    Holds = Callable[[Any, dict[str, str]], bool]

KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"
GIVEN = {
    "WebserverAccessMode": "PRIVATE_ONLY",
    "SubnetIds": "subnet-0a1b2c3d,subnet-1a2b3c4d",
    "SecurityGroupId": "sg-0a1b2c3d",
    "SourceBucketName": "source",
    "DataBucketName": "lake",
    "KeyArn": KEY,
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/execution",
    "JobRoleArn": "arn:aws:iam::123456789012:role/jobs",
}
SIZES = ("Schedulers", "MinWorkers", "MaxWorkers", "MinWebservers", "MaxWebservers")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_takes_it(deploy: Deploy, asked: list[dict[str, Any]], version: str) -> None:
    deploy("environment", **GIVEN, AirflowVersion=version)
    (found,) = asked
    assert found["AirflowVersion"] == version
    assert found["SourceBucketArn"] == "arn:aws:s3:::source"
    assert found["KmsKey"] == KEY


def test_each_class_gets_numbers_that_it_takes(
    deploy: Deploy, asked: list[dict[str, Any]], size: str
) -> None:
    # https://docs.aws.amazon.com/mwaa/latest/userguide/environment-class.html
    given = {"Schedulers": "3", "MinWorkers": "2", "MaxWorkers": "7", "MaxWebservers": "4"}
    deploy("environment", **GIVEN, **given, EnvironmentClass=size)
    (found,) = asked
    numbers = tuple(found[name] for name in SIZES)
    assert numbers == ((1, 1, 1, 1, 1) if size == "mw1.micro" else (3, 2, 7, 2, 4))


def test_the_bounds_are_those_of_the_classes_above_micro(templates: dict[str, Any]) -> None:
    parameters = templates["environment"]["Parameters"]
    for name in ("Schedulers", "MinWebservers", "MaxWebservers"):
        assert (parameters[name]["MinValue"], parameters[name]["MaxValue"]) == (2, 5), name
    for name in ("MinWorkers", "MaxWorkers"):
        assert parameters[name]["MinValue"] == 1
    assert parameters["MinWorkers"]["Default"] <= parameters["MaxWorkers"]["Default"]
    assert parameters["MinWebservers"]["Default"] <= parameters["MaxWebservers"]["Default"]


def test_more_web_servers_at_least_than_at_most_are_refused(
    templates: dict[str, Any], holds: Holds
) -> None:
    (assertion,) = templates["environment"]["Rules"]["WebserversInOrder"]["Assertions"]
    for least, most in itertools.product(range(2, 6), repeat=2):
        given = {"MinWebservers": str(least), "MaxWebservers": str(most)}
        assert holds(assertion["Assert"], given) == (least <= most), (least, most)


def test_objects_come_with_their_versions_or_not_at_all(
    deploy: Deploy, asked: list[dict[str, Any]]
) -> None:
    deploy("environment", **GIVEN, RequirementsVersion="r1", StartupVersion="s1")
    (found,) = asked
    assert found["RequirementsS3Path"] == "requirements.txt"
    assert found["RequirementsS3ObjectVersion"] == "r1"
    assert found["StartupScriptS3Path"] == "startup.sh"
    assert found["StartupScriptS3ObjectVersion"] == "s1"
    assert not {"PluginsS3Path", "PluginsS3ObjectVersion"} & set(found)


def test_the_package_finds_its_configuration(deploy: Deploy, asked: list[dict[str, Any]]) -> None:
    deploy("environment", **GIVEN)
    options = asked[0]["AirflowConfigurationOptions"]
    account = configured(lambda name: options.get(f"airflow_ml_provider.{name}"))
    assert (account.role_arn, account.root) == (GIVEN["JobRoleArn"], "s3://lake/ml")
    assert options["operators.default_deferrable"] == "True"
    assert not [name for name in options if name.startswith("secrets.")]


def test_connections_may_lie_in_secrets_manager(
    deploy: Deploy, asked: list[dict[str, Any]]
) -> None:
    deploy("environment", **GIVEN, SecretsBackend="true")
    options = asked[0]["AirflowConfigurationOptions"]
    assert options["secrets.backend"].endswith(".SecretsManagerBackend")
    assert '"connections_prefix": "airflow/connections"' in options["secrets.backend_kwargs"]


def test_no_option_is_one_that_mwaa_sets_itself(templates: dict[str, Any]) -> None:
    properties = templates["environment"]["Resources"]["Environment"]["Properties"]
    options = set(properties["AirflowConfigurationOptions"])
    for version in VERSIONS.values():
        assert not options & set(version.forced), version.airflow


def test_alarms_tell_the_topic(deploy: Deploy) -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:alarms"
    deploy("environment", **GIVEN, AlarmTopicArn=topic)
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert {one["MetricName"] for one in alarms} == {
        "SchedulerHeartbeat",
        "ImportErrors",
        "TaskInstanceFailures",
        "ApproximateAgeOfOldestTask",
    }
    for alarm in alarms:
        assert alarm["AlarmActions"] == [topic]
        assert {"Name": "Environment", "Value": "ml"} in alarm["Dimensions"]


def test_only_a_silent_scheduler_is_an_alarm_by_its_silence(deploy: Deploy) -> None:
    deploy("environment", **GIVEN)
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    silent = {one["MetricName"] for one in alarms if one["TreatMissingData"] == "breaching"}
    assert silent == {"SchedulerHeartbeat"}
    assert {tuple(one["AlarmActions"]) for one in alarms} == {()}
