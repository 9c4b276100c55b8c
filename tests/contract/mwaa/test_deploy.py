"""``airflow-ml mwaa deploy`` against the S3, CloudWatch Logs and IAM of the AWS under test."""

from __future__ import annotations

import re
import time

import pytest

from airflow_ml_provider.cli import main
from airflow_ml_provider.mwaa import environment

FAILED = "pip installation exited with a non-zero error code"
TO = ["--environment", "production", "--poll-seconds", "0.01"]


@pytest.fixture
def deploy(package, api, capsys):
    def run(*options, to=TO):
        code = main(["mwaa", "deploy", "--package", str(package), *to, *options])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def there(client, source_bucket):
    """Return a function that gives the versions of all objects, oldest first, by key."""

    def versions():
        found = client("s3").list_object_versions(Bucket=source_bucket)
        keys: dict[str, list[str]] = {}
        for one in reversed(found.get("Versions", [])):
            keys.setdefault(one["Key"], []).append(one["VersionId"])
        return dict(sorted(keys.items()))

    return versions


def test_a_dry_run_changes_nothing(deploy, there, api):
    code, said = deploy("--dry-run")
    assert code == 0
    assert "Nothing was changed." in said
    for key in ("plugins.zip", "requirements.txt", "dags/flights/dag.py", "dags/common.py"):
        assert key in said
    assert there() == {}
    assert api.updates == []


def test_all_of_it_is_brought_and_used(deploy, there, api):
    code, said = deploy()
    assert code == 0, said
    found = there()
    assert [*found] == [
        "dags/common.py",
        "dags/flights/dag.py",
        "plugins.zip",
        "requirements.txt",
    ]
    assert api.updates == [
        {
            "Name": "production",
            "PluginsS3Path": "plugins.zip",
            "PluginsS3ObjectVersion": found["plugins.zip"][0],
            "RequirementsS3Path": "requirements.txt",
            "RequirementsS3ObjectVersion": found["requirements.txt"][0],
        }
    ]
    states = re.findall(r"production is (\w+)", said)
    assert states == ["UPDATING", "AVAILABLE"]


def test_what_is_there_is_not_brought_again(deploy, there, api):
    deploy()
    before = there()
    code, said = deploy()
    assert code == 0
    assert "needs no update" in said
    assert there() == before
    assert len(api.updates) == 1


def test_only_what_changed_is_brought(deploy, there, api, package, signed):
    deploy()
    first = there()
    (package / "requirements.txt").write_text("requests>2\n")
    (package / "dags" / "common.py").write_text("common = 2\n")
    signed(package)
    code, said = deploy()
    assert code == 0
    now = there()
    assert {key for key, versions in now.items() if len(versions) == 2} == {
        "requirements.txt",
        "dags/common.py",
    }
    assert api.updates[1] == {
        "Name": "production",
        "RequirementsS3Path": "requirements.txt",
        "RequirementsS3ObjectVersion": now["requirements.txt"][1],
    }
    assert f"--requirements-s3-object-version {first['requirements.txt'][0]}" in said


def test_an_uploaded_version_is_used_where_an_update_failed(deploy, there, api):
    api.fail_with = "the subnets have no route"
    code, said = deploy()
    assert code == 1
    assert "INCORRECT_CONFIGURATION: the subnets have no route" in said
    assert "The DAGs were not uploaded." in said
    before = there()
    assert [*before] == ["plugins.zip", "requirements.txt"]
    api.fail_with = ""
    assert deploy()[0] == 0
    assert there()["plugins.zip"] == before["plugins.zip"]
    assert api.environment["PluginsS3ObjectVersion"] == before["plugins.zip"][0]


def test_an_update_that_takes_too_long(deploy, api):
    code, said = deploy("--timeout-minutes", "0.0001")
    assert code == 1
    assert "--timeout-minutes" in said
    assert len(api.updates) == 1


def test_one_who_does_not_wait_gets_the_dags_at_once(deploy, there, api):
    code, said = deploy("--no-wait")
    assert code == 0
    assert "dags/common.py" in there()
    assert "production is" not in said
    assert len(api.updates) == 1


def test_one_who_gives_up_the_wait_learns_what_goes_on(deploy, there, api, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(environment.wait.__kwdefaults__, "sleep", interrupted)
    code, said = deploy()
    assert code == 1
    assert "The update of production goes on; the DAGs were not uploaded." in said
    assert [*there()] == ["plugins.zip", "requirements.txt"]


@pytest.fixture
def installs(api, client):
    """Let the update log its installation."""
    logs, group = client("logs"), "airflow-production-Scheduler"
    logs.create_log_group(logGroupName=group)
    stream = {"logGroupName": group, "logStreamName": "requirements_install_10.0.0.1"}
    logs.create_log_stream(**stream)

    def logging(*lines):
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines]
        api.on_update = lambda: logs.put_log_events(**stream, logEvents=events)

    yield logging
    logs.delete_log_group(logGroupName=group)


def test_an_installation_that_failed_is_seen_in_the_logs(deploy, installs, there):
    installs("Collecting requests", "ERROR: No matching distribution", f"ERROR: {FAILED}. This")
    for _ in range(2):  # there is nothing to update in the second run
        code, said = deploy()
        assert code == 1
        assert "No matching distribution" in said
        assert "The DAGs were not uploaded." in said
        assert "dags/common.py" not in there()


def test_an_error_that_pip_outlived_is_told(deploy, installs, there):
    installs("ERROR: pip's dependency resolver does not currently take into account all")
    code, said = deploy()
    assert code == 0
    assert "dependency resolver" in said
    assert "dags/common.py" in there()


def test_dags_that_the_package_has_not_stay_unless_asked(deploy, there, client, source_bucket):
    client("s3").put_object(Bucket=source_bucket, Key="dags/old.py", Body=b"old = 1")
    code, said = deploy()
    assert code == 0
    assert re.search(r"old\.py.*stays", said)
    assert "dags/old.py" in there()
    assert deploy("--delete")[0] == 0
    found = client("s3").list_objects_v2(Bucket=source_bucket, Prefix="dags/")["Contents"]
    assert [one["Key"] for one in found] == ["dags/common.py", "dags/flights/dag.py"]


def test_what_was_uploaded_by_other_means_is_compared_by_its_content(
    deploy, there, client, source_bucket, package
):
    body = (package / "plugins.zip").read_bytes()
    client("s3").put_object(Bucket=source_bucket, Key="plugins.zip", Body=body)
    before = there()
    assert deploy()[0] == 0
    assert there()["plugins.zip"] == before["plugins.zip"]


def test_a_startup_script_is_brought_too(deploy, api, package, signed):
    (package / "startup.sh").write_text("export A=1\n")
    signed(package)
    assert deploy()[0] == 0
    assert api.environment["StartupScriptS3Path"] == "startup.sh"
    assert api.environment["StartupScriptS3ObjectVersion"]


def test_a_bucket_alone_gets_the_files_and_tells_their_versions(deploy, there, api, source_bucket):
    code, said = deploy(to=["--bucket", source_bucket, "--region", "eu-central-1"])
    assert code == 0, said
    found = there()
    assert f"PluginsVersion={found['plugins.zip'][0]}" in said
    assert f"RequirementsVersion={found['requirements.txt'][0]}" in said
    assert "dags/common.py" in found
    assert api.updates == []


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda api, *_: api.environment.update(AirflowVersion="3.0.6"), "has Airflow 3.0.6"),
        (lambda api, *_: api.environment.update(Status="UPDATING"), "is UPDATING"),
        (
            lambda _, s3, bucket: s3.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
            ),
            "put-bucket-versioning",
        ),
        (
            lambda _, s3, bucket: s3.delete_public_access_block(Bucket=bucket),
            "put-public-access-block",
        ),
        (lambda _, s3, bucket: s3.delete_bucket(Bucket=bucket), "there is no bucket"),
    ],
)
def test_what_would_not_work_is_refused_before_anything_is_changed(
    deploy, api, client, break_it, told
):
    bucket = api.environment["SourceBucketArn"].rpartition(":")[2]
    break_it(api, client("s3"), bucket)
    code, said = deploy()
    assert code == 1
    assert told in re.sub(r"[│\s]+", " ", said)
    assert "nothing was changed" in said
    assert api.updates == []


def test_an_unknown_environment_is_named_with_those_there(deploy):
    code, said = deploy(to=["--environment", "production2"])
    assert code == 1
    assert "no environment 'production2' in eu-central-1; there: production." in said


def test_a_package_that_was_changed_is_refused(deploy, package, api):
    (package / "requirements.txt").write_text("boto3==1\n")
    (package / "extra.txt").write_text("")
    (package / "dags" / "common.py").unlink()
    code, said = deploy()
    assert code == 1
    assert "requirements.txt: it was changed" in said
    assert "extra.txt: it was added" in said
    assert "common.py: it is missing" in said
    assert api.updates == []


@pytest.mark.parametrize("option", ["--poll-seconds", "--timeout-minutes"])
@pytest.mark.parametrize("value", ["-1", "0", "nan", "inf"])
def test_times_that_are_none(deploy, api, option, value):
    with pytest.raises(SystemExit):
        deploy(option, value)
    assert api.updates == []


def test_credentials_that_end_in_the_meantime(deploy, api, there):
    def end():
        api.environment["Name"] = "gone"

    api.on_update = end
    code, said = deploy()
    assert code == 1
    assert "The DAGs were not uploaded." in said
    assert "dags/common.py" not in there()


def test_a_startup_script_that_the_package_has_not_stays(deploy, api, package, signed):
    (package / "startup.sh").write_text("export A=1\n")
    signed(package)
    deploy()
    (package / "startup.sh").unlink()
    (package / "dags" / "[old].py").write_text("")
    signed(package)
    code, said = deploy()
    assert code == 0
    assert re.search(r"startup\.sh.*stays.*the package has none", said)
    # No style of the table's.
    assert "dags/[old].py" in said.partition("uploaded")[0]
