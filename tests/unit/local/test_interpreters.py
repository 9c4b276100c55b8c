"""Pythons and environments of jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_ml_provider.local.interpreters import Interpreters, environment
from airflow_ml_provider.local.protocol import Identity

HERE = Identity("123456789012", "eu-central-1", "key")


def test_the_first_matching_glob_wins() -> None:
    pythons = Interpreters(Path("/a"), (("*xgboost*", Path("/x")), ("glue", Path("/g"))))
    assert pythons.python("123.dkr.ecr.eu.amazonaws.com/xgboost:1") == Path("/x")
    assert pythons.python("glue") == Path("/g")
    assert pythons.python("sklearn") == Path("/a")


def test_environment_names_this_aws_and_hides_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AIRFLOW_HOME", "/airflow")
    env = environment(Path(sys.executable), tmp_path, "http://127.0.0.1:1", HERE)
    assert "AWS_PROFILE" not in env
    assert "AIRFLOW_HOME" not in env
    assert (env["AWS_ENDPOINT_URL"], env["AWS_REGION"]) == ("http://127.0.0.1:1", "eu-central-1")
    assert env["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


@pytest.mark.parametrize("command", ["python", "python3"])
def test_python_commands_start_the_interpreter(tmp_path: Path, command: str) -> None:
    env = environment(Path(sys.executable), tmp_path, "", HERE)
    code = "import sys; print(sys.prefix)"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} -c '{code}'"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == sys.prefix
