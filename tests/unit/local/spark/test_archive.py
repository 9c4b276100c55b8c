"""Building the class archive, with a Java that only writes its file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from airflow_ml_provider.local.spark import archive as module
from airflow_ml_provider.local.spark.archive import build_class_archive
from airflow_ml_provider.local.spark.launch import Command
from airflow_ml_provider.local.spark.runtime import Runtime, SparkUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

WRITES = (
    'for word in "$@"; do case "$word" in *SharedArchiveFile=*) echo it > "${word#*=}";; esac; done'
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    jar = tmp_path / "cache" / "abc" / "s3.jar"
    jar.parent.mkdir(parents=True)
    monkeypatch.setattr(module, "s3_jar", lambda *_: jar)
    monkeypatch.setattr(module, "find_runtime", lambda _: Runtime(tmp_path, tmp_path, "3.5.9"))
    monkeypatch.setattr(
        module, "spark_command", lambda *_, **__: Command((sys.executable, "-c", ""), {})
    )
    (tmp_path / "bin").mkdir()
    return tmp_path / "cache"


def java(cache: Path, script: str) -> None:
    path = cache.parent / "bin" / "java"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_it_is_built_once_beside_the_jar(cache: Path) -> None:
    java(cache, WRITES)
    built = build_class_archive(python=sys.executable, cache_dir=cache)
    assert built.read_text() == "it\n"
    java(cache, "exit 1")
    assert build_class_archive(python=sys.executable, cache_dir=cache) == built
    assert list(cache.iterdir()) == [built.parent]


def test_a_failure_is_told_and_leaves_nothing(cache: Path) -> None:
    java(cache, "echo 'no space left' >&2; exit 1")
    with pytest.raises(SparkUnavailableError, match="no space left"):
        build_class_archive(python=sys.executable, cache_dir=cache)
    assert list(cache.rglob("*.jsa")) == []
