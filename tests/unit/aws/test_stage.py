from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from airflow_ml_provider.aws.stage import stage
from airflow_ml_provider.plan.code import Bundle

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


CODE = Bundle("code/1/train.py", {"code/1/train.py": b"print(1)\n"})


def test_an_object_is_sent_once(s3):
    uri = stage(s3, CODE, ROOT)
    assert uri == "s3://lake/ml/code/1/train.py"
    assert stage(s3, CODE, "s3://lake/ml") == uri
    assert len(s3.puts) == 1
    assert s3.body(uri) == b"print(1)\n"


def test_a_root_may_be_a_bucket(s3):
    assert stage(s3, CODE, "s3://lake") == "s3://lake/code/1/train.py"


def test_encrypted_and_tagged(s3):
    stage(s3, CODE, ROOT, kms_key="alias/ml", tags={"team": "a b"})
    (put,) = s3.puts
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", "alias/ml")
    assert put["Tagging"] == "team=a+b"


def test_who_may_not_list_sends_it_again(s3):
    s3.head_error = "403"
    stage(s3, CODE, ROOT)
    assert len(s3.puts) == 1
    s3.head_error = "400"
    with pytest.raises(ClientError):
        stage(s3, CODE, ROOT)


def test_every_object_of_a_prefix_is_sent(s3):
    uri = stage(s3, Bundle("code/2/", {"code/2/a.py": b"a", "code/2/b/c.py": b"c"}), ROOT)
    assert (s3.body(f"{uri}a.py"), s3.body(f"{uri}b/c.py")) == (b"a", b"c")
