"""What the image's entry point does before it starts a part. Needs no Docker."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCKER = REPOSITORY / "docker"
ENTRYPOINT = DOCKER / "entrypoint.sh"
AFTER = "echo starts with ${SET_BY_STARTUP:-nothing}"


@pytest.fixture
def start(tmp_path):
    """Start a part with an airflow that prints its arguments and its environment."""
    airflow = tmp_path / "airflow"
    airflow.write_text('#!/bin/sh\necho "airflow $*"\nenv\n')
    airflow.chmod(0o755)
    text = ENTRYPOINT.read_text().replace("/opt/airflow-ml", str(REPOSITORY))

    def run(part, **env):
        path = f"{tmp_path}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", text, "bash", part],
            env={"PATH": path, **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("part", ["init", "warehouse"])
def test_the_first_containers_name_too_little_memory(part, start, tmp_path):
    """Who has not run the preflight learns it before a database is changed."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:        2048000 kB\nMemFree:          100000 kB\n")
    done = start(part, MEMINFO=str(meminfo))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Docker has 2000 MiB of memory, and the stack needs 3584. Give it" in done.stderr


def test_enough_memory_lets_the_database_be_made(start, tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:        4048000 kB\n")
    assert start("init", MEMINFO=str(meminfo)).stdout.startswith("airflow db migrate\n")


def test_a_worker_needs_its_executor(start):
    done = start("celery", AIRFLOW__CORE__EXECUTOR="LocalExecutor")
    assert done.returncode == 1
    assert "docker-compose --env-file docker/celery.env up" in done.stderr
    done = start("celery", AIRFLOW__CORE__EXECUTOR="CeleryExecutor")
    assert done.stdout.startswith("airflow celery\n")


@pytest.fixture
def mwaa(tmp_path):
    """Do what MWAA does before a part starts; pip prints its arguments."""
    package = tmp_path / "package"
    package.mkdir()
    pip = tmp_path / "pip"
    pip.write_text('#!/bin/sh\necho "pip $*"\nexit ${PIP_FAILS:-0}\n')
    pip.chmod(0o755)
    text = (DOCKER / "mwaa.sh").read_text().replace("/opt/package", str(package))

    def run(files, **env):
        for name, content in files.items():
            (package / name).write_text(content)
        return subprocess.run(
            ["bash", "-c", f"set -eu\n{text}\n{AFTER}", "bash", "worker"],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "AIRFLOW_VERSION": "3.3.1", **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_requirements_without_constraints_get_those_of_their_airflow(mwaa):
    said = mwaa({"requirements.txt": "pandas\n"}).stdout.splitlines()
    assert "--constraint /opt/mwaa/3.3.1-essential.txt -r " in said[0]
    assert said[0].endswith("/airflow/constraints-3.3.1/constraints-3.12.txt")
    assert said[1] == "starts with nothing"


def test_a_commented_constraint_is_one_to_mwaa(mwaa):
    said = mwaa({"requirements.txt": "# no --constraint please\npandas\n"}).stdout
    assert "raw.githubusercontent" not in said


def test_what_startup_sh_exports_stays_even_if_it_exits(mwaa):
    startup = 'export SET_BY_STARTUP="$MWAA_AIRFLOW_COMPONENT $UNKNOWN"\nexit 0\n'
    said = mwaa({"requirements.txt": "", "startup.sh": startup}).stdout
    assert said.splitlines()[-1] == "starts with worker"


def test_a_startup_sh_that_fails_ends_the_container(mwaa):
    done = mwaa({"requirements.txt": "", "startup.sh": "exit 3\n"})
    assert done.returncode == 3
    assert "starts" not in done.stdout


def test_a_failed_installation_ends_the_container(mwaa):
    done = mwaa({"requirements.txt": "nothing-like-it\n"}, PIP_FAILS="1")
    assert done.returncode == 1
    assert "MWAA would log this and start without the packages" in done.stderr


def test_a_missing_package_is_named_with_its_mend(mwaa):
    done = mwaa({})
    assert done.returncode == 1
    assert "make it by: airflow-ml mwaa package --version 3.3.1" in done.stderr
