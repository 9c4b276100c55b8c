"""Names, manifests and archives, without S3."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from airflow_ml_provider.local.s3 import (
    DataError,
    extract_tar,
    join_uri,
    local_name,
    manifest_entries,
    split_uri,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://bucket/a/b", ("bucket", "a/b")),
        ("s3://bucket", ("bucket", "")),
        ("s3a://bucket/a#b?c", ("bucket", "a#b")),
    ],
)
def test_split_uri(uri: str, parts: tuple[str, str]) -> None:
    assert split_uri(uri.replace("?c", "")) == parts


@pytest.mark.parametrize("uri", ["https://bucket/a", "/tmp/a", "s3:///a", ""])
def test_split_uri_refuses(uri: str) -> None:
    with pytest.raises(DataError, match="is not an S3 URI"):
        split_uri(uri)


@pytest.mark.parametrize(
    ("prefix", "key", "name"),
    [
        ("data/train/", "data/train/a/b.csv", "a/b.csv"),
        ("data/train", "data/train/a.csv", "a.csv"),
        ("data/train", "data/train-2/a.csv", "train-2/a.csv"),
        ("data/train/a.csv", "data/train/a.csv", "a.csv"),
        ("a.csv", "a.csv", "a.csv"),
        ("", "data/a.csv", "data/a.csv"),
    ],
)
def test_local_name(prefix: str, key: str, name: str) -> None:
    assert local_name(prefix, key) == name


def test_join_uri() -> None:
    assert join_uri("s3://bucket/out/", "/job/", "model.tar.gz") == (
        "s3://bucket/out/job/model.tar.gz"
    )


def test_manifest_entries() -> None:
    text = json.dumps([{"prefix": "s3://b/data/"}, "x/a.csv", "b.csv"])
    assert manifest_entries(text, "s3://b/m") == [
        ("b", "data/x/a.csv", "x/a.csv"),
        ("b", "data/b.csv", "b.csv"),
    ]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '["a"]', '[{"prefix": "here"}]', '[{"prefix": "s3://b/"}, 1]']
)
def test_not_a_manifest(text: str) -> None:
    with pytest.raises(DataError):
        manifest_entries(text, "s3://b/m")


def archive(path: Path, info: tarfile.TarInfo, content: bytes = b"x") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        info.size = len(content) if info.isreg() else 0
        tar.addfile(info, io.BytesIO(content))
    return path


OLDER = pytest.param(
    "older Python", marks=pytest.mark.skipif(sys.version_info >= (3, 12), reason="all have filters")
)


@pytest.fixture(params=["data filter", OLDER])
def tar_filter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "older Python":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


@pytest.mark.usefixtures("tar_filter")
def test_extract_tar(tmp_path: Path) -> None:
    extract_tar(archive(tmp_path / "a.tar.gz", tarfile.TarInfo("src/train.py")), tmp_path / "code")
    assert (tmp_path / "code/src/train.py").read_bytes() == b"x"


@pytest.mark.usefixtures("tar_filter")
def test_extract_tar_stays_inside(tmp_path: Path) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    for info in (tarfile.TarInfo("../out"), link):
        with pytest.raises(DataError):
            extract_tar(archive(tmp_path / "a.tar.gz", info), tmp_path / "code")
    assert not (tmp_path / "out").exists()


def test_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_text("no")
    with pytest.raises(DataError, match=r"a\.tar\.gz"):
        extract_tar(path, tmp_path / "code")
