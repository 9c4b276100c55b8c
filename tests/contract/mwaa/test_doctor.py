"""``airflow-ml mwaa doctor`` on an environment of the AWS under test."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from mwaa_api import ACCOUNT, REGION

from airflow_ml_provider.cli import main
from airflow_ml_provider.mwaa import doctor_role

JOBS = f"arn:aws:iam::{ACCOUNT}:role/flight-jobs"
DAGS = Path(__file__).parents[3] / "dags" / "flight_delays"
OPTIONS = {
    "airflow_ml_provider.role_arn": JOBS,
    "airflow_ml_provider.root": "s3://lake/ml",
    "core.executor": "LocalExecutor",
}


@pytest.fixture
def doctor(api, capsys):
    """Return a function that gives the exit code, and what was said and is to be done."""

    def run(*options):
        code = main(["mwaa", "doctor", "--environment", "production", "--json", *options])
        said = capsys.readouterr()
        found = json.loads(said.out)["findings"] if said.out else said.err
        return code, found

    return run


def only(name):
    return ["--only", name]


def of(found, severity):
    return [f"{one['said']} -> {one['mend']}" for one in found if one["severity"] == severity]


@pytest.fixture
def roles(client):
    """Return a function that makes the roles, each with one policy that allows these actions."""
    iam = client("iam")
    made = []

    def trust(services):
        principal = {"Service": services}
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def make(name, services, statements):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(services))
        policy = {"Version": "2012-10-17", "Statement": statements}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        made.append(name)

    yield make
    for name in made:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
MWAA = ["airflow.amazonaws.com", "airflow-env.amazonaws.com"]
JOB_SERVICES = ["sagemaker.amazonaws.com", "glue.amazonaws.com"]


def test_a_missing_role_is_named_with_its_mend(doctor):
    code, found = doctor(*only("role"))
    assert code == 1
    (said,) = of(found, "error")
    assert f"there is no role arn:aws:iam::{ACCOUNT}:role/airflow" in said
    assert "mwaa/cloudformation/roles.yaml" in said


def test_roles_that_allow_everything(doctor, api, roles):
    api.environment["AirflowConfigurationOptions"] = OPTIONS
    roles("airflow", MWAA, [ALL])
    roles("flight-jobs", JOB_SERVICES, [ALL])
    code, found = doctor(*only("role"), "--dags", str(DAGS))
    assert code == 0, found
    good = " ".join(of(found, "good"))
    for named in (
        "pipeline 'flight_delays'",
        "'flight_delays_history'",
        "MWAA itself",
        "jobs of pipeline",
    ):
        assert named in good


def test_what_is_not_known_of_a_role_is_told(doctor, api, client, roles):
    roles("airflow", MWAA, [ALL])
    code, found = doctor(*only("role"))
    assert code == 0
    assert any("the key of MWAA's queue is not known" in one for one in of(found, "note"))
    assert not any("trust policy" in one for one in of(found, "note"))
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": MWAA},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}},
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").update_assume_role_policy(RoleName="airflow", PolicyDocument=trust)
    api.environment["KmsKey"] = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/own"
    code, found = doctor(*only("role"))
    assert code == 0
    assert any(
        "conditions of its trust policy hold is not known" in one for one in of(found, "note")
    )
    assert not any("queue" in one for one in of(found, "note"))


def test_what_the_pipelines_call_and_the_role_does_not_allow(doctor, api, roles):
    api.environment["AirflowConfigurationOptions"] = OPTIONS
    deny = {"Effect": "Deny", "Action": "sagemaker:CreateTrainingJob", "Resource": "*"}
    passed = {"Effect": "Deny", "Action": "iam:PassRole", "Resource": JOBS}
    roles("airflow", MWAA[:1], [ALL, deny, passed])
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    roles("flight-jobs", ["sagemaker.amazonaws.com"], [reads])
    code, found = doctor(*only("role"), "--dags", str(DAGS))
    assert code == 1
    errors = of(found, "error")

    def told(*words):
        return [one for one in errors if all(word in one for word in words)]

    assert told("may not be taken by airflow-env.amazonaws.com")
    (lacking,) = told("for pipeline 'flight_delays':")
    assert re.search(r"lacks 3 of \d+ permissions", lacking)
    assert re.search(
        r"- sagemaker:CreateTrainingJob on \S+:training-job/flight-delays-train-\*", lacking
    )
    assert re.search(
        rf"- iam:PassRole on {JOBS} \(iam:PassedToService glue.amazonaws.com\)", lacking
    )
    assert told("flight-jobs may not be taken by glue.amazonaws.com")
    (jobs,) = told("flight-jobs lacks", "for jobs of pipeline 'flight_delays':")
    assert "s3:PutObject" in jobs
    assert "s3:GetObject" not in jobs


def test_a_pipeline_without_a_place_for_its_data(doctor, api, roles, tmp_path):
    roles("airflow", MWAA, [ALL])
    (tmp_path / "flow.py").write_text(
        "from airflow_ml_provider.pipeline import Pipeline, Processing\n"
        "step = Processing('a', script='a.py', image_uri='i', role_arn=None)\n"
        "flow = Pipeline('flow', [step])\n"
    )
    code, found = doctor(*only("role"), "--dags", str(tmp_path))
    assert code == 1
    (said,) = of(found, "error")
    assert "airflow_ml_provider.root" in said


def test_a_file_that_tells_no_pipeline(doctor, roles, tmp_path):
    roles("airflow", MWAA, [ALL])
    (tmp_path / "hand_written.py").write_text("# airflow_ml_provider\n")
    (tmp_path / "broken.py").write_text("import airflow_ml_provider.nothing\n")
    code, found = doctor(*only("role"), "--dags", str(tmp_path))
    assert code == 0
    hand_written, broken = sorted(of(found, "not checked"), reverse=True)
    assert "no Pipeline at its top level" in hand_written
    assert "No module named 'airflow_ml_provider.nothing'" in broken


def test_a_bucket_as_it_should_be(doctor):
    code, found = doctor(*only("bucket"))
    assert code == 0
    assert of(found, "good")


def test_all_that_is_wrong_with_a_bucket_at_once(doctor, client, source_bucket):
    s3 = client("s3")
    s3.put_bucket_versioning(Bucket=source_bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_public_access_block(
        Bucket=source_bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True}
    )
    code, found = doctor(*only("bucket"))
    assert code == 1
    versions, public = of(found, "error")
    assert "put-bucket-versioning" in versions
    assert "IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets not set" in public


def test_a_bucket_elsewhere(doctor, api):
    boto3.client("s3", "eu-west-1").create_bucket(
        Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    api.environment["SourceBucketArn"] = "arn:aws:s3:::elsewhere"
    code, found = doctor(*only("bucket"))
    assert code == 1
    assert any(
        f"lies in eu-west-1, the environment in {REGION}" in one for one in of(found, "error")
    )


def test_versions_that_are_gone_or_old_or_others(doctor, api, client, source_bucket, tmp_path):
    s3 = client("s3")
    kept = {
        key: [
            s3.put_object(Bucket=source_bucket, Key=key, Body=body)["VersionId"]
            for body in (b"1", b"2")
        ]
        for key in ("plugins.zip", "requirements.txt", "startup.sh")
    }
    api.environment |= {
        "PluginsS3Path": "plugins.zip",
        "PluginsS3ObjectVersion": kept["plugins.zip"][0],
        "RequirementsS3Path": "requirements.txt",
        "RequirementsS3ObjectVersion": kept["requirements.txt"][1],
        "StartupScriptS3Path": "startup.sh",
        "StartupScriptS3ObjectVersion": kept["startup.sh"][0],
    }
    s3.delete_object(Bucket=source_bucket, Key="startup.sh", VersionId=kept["startup.sh"][0])
    (tmp_path / "requirements.txt").write_text("3")
    code, found = doctor(*only("files"), "--requirements", str(tmp_path / "requirements.txt"))
    assert code == 1
    (gone,) = of(found, "error")
    assert "startup.sh is not there in version" in gone
    old, other, dags = of(found, "warning")
    assert "plugins.zip: 'production' uses version" in old
    assert "uses another requirements.txt than" in other
    assert "there are no DAGs below" in dags


def test_an_environment_that_uses_what_is_newest(doctor, api, client, source_bucket):
    s3 = client("s3")
    version = s3.put_object(Bucket=source_bucket, Key="r.txt", Body=b"1")["VersionId"]
    s3.put_object(Bucket=source_bucket, Key="dags/a.py", Body=b"1")
    api.environment |= {
        "RequirementsS3Path": "r.txt",
        "RequirementsS3ObjectVersion": version,
    }
    code, found = doctor(*only("files"))
    assert code == 0
    assert [one["severity"] for one in found] == ["good"]


def test_a_failed_installation(doctor, client):
    code, found = doctor(*only("installed"))
    assert (code, [one["severity"] for one in found]) == (0, ["not checked"])
    logs, group = client("logs"), "airflow-production-Scheduler"
    logs.create_log_group(logGroupName=group)
    stream = "requirements_install_10.0.0.1"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)

    def say(text):
        event = {"timestamp": int(time.time() * 1000), "message": text}
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])

    try:
        say("Successfully installed requests")
        code, found = doctor(*only("installed"))
        assert (code, [one["severity"] for one in found]) == (0, ["good"])
        say("ERROR: Cannot install boto3==1.0")
        code, found = doctor(*only("installed"))
        assert (code, [one["severity"] for one in found]) == (0, ["warning"])
        say("ERROR: pip installation exited with a non-zero error code. This could be")
        code, found = doctor(*only("installed"))
    finally:
        logs.delete_log_group(logGroupName=group)
    assert code == 1
    assert "Cannot install boto3==1.0" in of(found, "error")[0]


def test_the_state_and_the_options_of_the_environment(doctor, api):
    api.environment |= {
        "AirflowConfigurationOptions": OPTIONS,
        "Status": "UNAVAILABLE",
        "LastUpdate": {"Status": "FAILED", "Error": {"ErrorMessage": "no subnet"}},
    }
    code, found = doctor(*only("environment"), *only("options"), "--version", "3.2.1")
    assert code == 1
    state, version = of(found, "error")
    assert "has Airflow 3.3.1, not 3.2.1" in version
    assert "is UNAVAILABLE; its last update failed: no subnet" in state
    (option,) = of(found, "warning")
    assert "core.executor has no effect: MWAA makes it CeleryExecutor" in option


def test_an_environment_that_went_back_to_what_it_was(doctor, api):
    api.environment |= {"Status": "UPDATE_FAILED", "LastUpdate": {"Status": "FAILED"}}
    code, found = doctor(*only("environment"))
    assert code == 0
    (said,) = of(found, "warning")
    assert "is UPDATE_FAILED; its last update failed: AWS gave no reason" in said


def test_what_was_found_before_an_error_is_told(doctor, roles, monkeypatch):
    roles("airflow", ["airflow.amazonaws.com"], [ALL])

    def refuse(*_):
        raise ClientError({"Error": {"Code": "Throttling"}}, "SimulatePrincipalPolicy")

    monkeypatch.setattr(doctor_role, "refused", refuse)
    code, found = doctor(*only("role"))
    assert code == 1
    trust, error = of(found, "error")
    assert "may not be taken by airflow-env.amazonaws.com" in trust
    assert "AWS did not answer" in error


def test_an_aws_that_does_not_answer(doctor, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, found = doctor(*only("bucket"))
    assert code == 1
    assert "AWS did not answer" in of(found, "error")[0]
