from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from airflow_ml_provider.worker import packages
from airflow_ml_provider.worker.errors import StepError
from airflow_ml_provider.worker.packages import install


@pytest.fixture
def pip(monkeypatch):
    """What pip was called with; ``result`` is what it does."""
    call = SimpleNamespace(result=(0, "", ""), commands=[])

    def run(command, **options):
        call.commands.append(command)
        code, out, error = call.result
        return subprocess.CompletedProcess(command, code, out, error)

    monkeypatch.setattr(packages.subprocess, "run", run)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return call


def test_nothing_is_installed_where_nothing_is_asked_for(pip):
    install([])
    assert pip.commands == []


def test_packages_come_before_those_of_the_container(pip):
    first = sys.path[0]
    install(["psycopg2-binary==2.9.9", "-r evil.txt"])
    (command,) = pip.commands
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert command[-3:] == ["--", "psycopg2-binary==2.9.9", "-r evil.txt"]
    assert sys.path[:2] == [first, command[command.index("--target") + 1]]


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ((1, "", "Looking\nERROR: No matching distribution found\n"), "ERROR: No matching"),
        ((1, "on stdout", ""), "on stdout"),
        ((2, "", ""), "exit code 2"),
    ],
)
def test_a_failure_says_why(pip, result, why):
    pip.result = result
    with pytest.raises(StepError, match=f"requirements nothing could not be installed: {why}"):
        install(["nothing"])
