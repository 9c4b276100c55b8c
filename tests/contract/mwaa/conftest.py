"""An environment of MWAA whose bucket, roles and logs lie in the AWS under test."""

from __future__ import annotations

import hashlib
import json
import uuid
from zipfile import ZipFile

import pytest
from mwaa_api import ACCOUNT, REGION, MwaaApi

ROLE = f"arn:aws:iam::{ACCOUNT}:role/airflow"


@pytest.fixture
def source_bucket(client):
    """Return a bucket as MWAA wants it."""
    name = f"airflow-{uuid.uuid4().hex[:12]}"
    s3 = client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(
        Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True)
    )
    return name


@pytest.fixture
def api(source_bucket, monkeypatch):
    """Serve an environment that was just created: it uses DAGs alone."""
    with MwaaApi("production", source_bucket, ROLE) as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL_MWAA", served.endpoint_url)
        # The host of a server on this machine takes no prefix.
        monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
        yield served


@pytest.fixture
def package(tmp_path):
    """Return a package in the form that ``airflow-ml mwaa package`` writes."""
    folder = tmp_path / "package"
    (folder / "dags" / "flights").mkdir(parents=True)
    (folder / "dags" / "flights" / "dag.py").write_text("flights = 1\n")
    (folder / "dags" / "common.py").write_text("common = 1\n")
    (folder / "requirements.txt").write_text("requests\n")
    with ZipFile(folder / "plugins.zip", "w") as archive:
        archive.writestr("plugin.py", "plugin = 1\n")
    (folder / "manifest.json").write_text(json.dumps({"airflow_version": "3.3.1"}))
    sign(folder)
    return folder


@pytest.fixture
def signed():
    """Return what writes a package's checksums anew."""
    return sign


def sign(folder):
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}\n"
        for file in files
        if file.name != "SHA256SUMS"
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))
