from __future__ import annotations

import hashlib
import io
import os
import tarfile

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from airflow_ml_provider.aws.stage import stage_folder, stage_script, stage_source

ROOT = "s3://lake/ml/"


class Recorder:
    """An S3 client that remembers what was put."""

    def __init__(self, client):
        self.client = client
        self.puts = []
        self.head_error = None

    def head_object(self, **request):
        if self.head_error:
            raise ClientError({"Error": {"Code": self.head_error}}, "HeadObject")
        return self.client.head_object(**request)

    def put_object(self, **request):
        self.puts.append(request)
        return self.client.put_object(**request)

    def body(self, uri):
        key = uri.removeprefix("s3://lake/")
        return self.client.get_object(Bucket="lake", Key=key)["Body"].read()


@pytest.fixture
def s3(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="lake")
        yield Recorder(client)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_bytes(b"print(1)\n")
    return path


def test_a_script_lies_under_its_hash_and_is_sent_once(s3, script):
    digest = hashlib.sha256(b"print(1)\n").hexdigest()[:16]
    uri = stage_script(s3, script, ROOT)
    assert uri == f"s3://lake/ml/code/{digest}/train.py"
    assert stage_script(s3, script, "s3://lake/ml") == uri
    assert len(s3.puts) == 1
    assert s3.body(uri) == b"print(1)\n"


def test_a_root_may_be_a_bucket(s3, script):
    assert stage_script(s3, script, "s3://lake").startswith("s3://lake/code/")


def test_encrypted_and_tagged(s3, script):
    stage_script(s3, script, ROOT, kms_key="alias/ml", tags={"team": "a b"})
    (put,) = s3.puts
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", "alias/ml")
    assert put["Tagging"] == "team=a+b"


def test_who_may_not_list_sends_it_again(s3, script):
    s3.head_error = "403"
    stage_script(s3, script, ROOT)
    assert len(s3.puts) == 1
    s3.head_error = "400"
    with pytest.raises(ClientError):
        stage_script(s3, script, ROOT)


def test_the_same_files_make_the_same_archive(s3, script, tmp_path):
    package = tmp_path / "lib"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__pycache__" / "x.pyc").write_bytes(b"x")
    (package / "x.py").write_bytes(b"x = 1\n")
    script.chmod(0o755)
    uri = stage_source(s3, [script, package], ROOT)
    os.utime(script, (1, 1))
    assert stage_source(s3, [package, script], ROOT) == uri
    with tarfile.open(fileobj=io.BytesIO(s3.body(uri)), mode="r:gz") as tar:
        members = [(one.name, one.mtime, one.uid, oct(one.mode)) for one in tar]
    assert members == [("lib/x.py", 0, 0, "0o644"), ("train.py", 0, 0, "0o755")]
    script.write_bytes(b"print(2)\n")
    assert stage_source(s3, [script, package], ROOT) != uri


def test_a_folder_of_files(s3, script, tmp_path):
    other = tmp_path / "common.py"
    other.write_bytes(b"y = 1\n")
    uri = stage_folder(s3, [script, other], ROOT)
    assert uri.endswith("/")
    assert s3.body(f"{uri}train.py") == b"print(1)\n"
    assert s3.body(f"{uri}common.py") == b"y = 1\n"


def test_two_files_of_one_name_are_refused(s3, script, tmp_path):
    (tmp_path / "b").mkdir()
    twin = tmp_path / "b" / "train.py"
    twin.write_bytes(b"")
    with pytest.raises(ValueError, match=r"get the same name: train\.py"):
        stage_source(s3, [script, twin], ROOT)


def test_a_missing_file(s3, tmp_path):
    with pytest.raises(FileNotFoundError):
        stage_source(s3, [tmp_path / "gone.py"], ROOT)
