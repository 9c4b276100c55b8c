from __future__ import annotations

import hashlib

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from airflow_ml_provider.mwaa.stored import keys, same, sha256, stored, upload


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client(
            "s3", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        client.create_bucket(Bucket="source")
        client.put_bucket_versioning(Bucket="source", VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "plugins.zip"
    path.write_bytes(b"plugin" * 500_000)
    return path


def test_a_checksum_of_a_file_of_several_chunks(file):
    assert sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_what_was_uploaded_is_known_by_its_checksum(s3, file, monkeypatch):
    version = upload(s3, "source", "plugins.zip", file, sha256(file))
    one = stored(s3, "source", "plugins.zip")
    assert (one.version_id, one.size, one.checksum) == (version, 3_000_000, sha256(file))
    monkeypatch.setattr(s3, "get_object", lambda **_: pytest.fail("it was read"))
    assert same(s3, "source", one, file, sha256(file))
    other = file.with_name("other")
    other.write_bytes(b"niguld" * 500_000)
    assert not same(s3, "source", one, other, sha256(other))
    other.write_bytes(b"")
    assert not same(s3, "source", one, other, sha256(other))


def test_a_version_is_compared_and_not_the_newest(s3, file):
    first = s3.put_object(Bucket="source", Key="k", Body=file.read_bytes())["VersionId"]
    s3.put_object(Bucket="source", Key="k", Body=b"other!" * 500_000)
    old, newest = stored(s3, "source", "k", first), stored(s3, "source", "k")
    assert old.checksum == newest.checksum == ""
    assert same(s3, "source", old, file, sha256(file))
    assert not same(s3, "source", newest, file, sha256(file))


def test_an_upload_in_parts_has_no_checksum_of_its_own(s3):
    class Parts:
        def head_object(self, **_):
            return {"ContentLength": 1, "ChecksumSHA256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQ=-3"}

    assert stored(Parts(), "source", "k").checksum == ""


def test_what_is_not_there(s3):
    s3.put_object(Bucket="source", Key="k", Body=b"")
    assert stored(s3, "source", "other") is None
    assert stored(s3, "source", "k", "no-such-version") is None


@pytest.mark.parametrize(("status", "version"), [(403, ""), (403, "v"), (400, "")])
def test_other_errors_are_passed_on(status, version):
    class Refusing:
        def head_object(self, **_):
            response = {
                "Error": {"Code": str(status)},
                "ResponseMetadata": {"HTTPStatusCode": status},
            }
            raise ClientError(response, "HeadObject")

    with pytest.raises(ClientError):
        stored(Refusing(), "source", "k", version)


def test_a_version_that_is_none():
    class Refusing:
        def head_object(self, **_):
            response = {"Error": {"Code": "400"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError(response, "HeadObject")

    assert stored(Refusing(), "source", "k", "null-and-void") is None


def test_folders_of_consoles_are_no_files(s3):
    for key in ("dags/", "dags/a.py", "dags/b/", "dags/b/c.py", "plugins.zip"):
        s3.put_object(Bucket="source", Key=key, Body=b"")
    assert [*keys(s3, "source", "dags/")] == ["dags/a.py", "dags/b/c.py"]
