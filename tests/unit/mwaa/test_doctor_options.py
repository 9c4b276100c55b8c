from __future__ import annotations

import pytest

from airflow_ml_provider.aws.validation import request_problems
from airflow_ml_provider.mwaa.doctor_options import (
    exports,
    forced_finding,
    option_findings,
    startup_findings,
)
from airflow_ml_provider.mwaa.versions import VERSIONS

VERSION = VERSIONS["3.3.1"]
SPELLED = "in small letters, digits and _, 64 at most"


@pytest.fixture
def script(tmp_path):
    def write(text):
        file = tmp_path / "startup.sh"
        file.write_text(text)
        return file

    return write


def test_forced_options_by_version():
    said = forced_finding(VERSION).said
    assert "core.executor=CeleryExecutor" in said
    assert "triggerer.queues_enabled=False" in said
    # What is the environment's own has no value to tell.
    assert "core.fernet_key," in said
    assert "triggerer" not in forced_finding(VERSIONS["2.11.2"]).said


def test_options_that_have_no_effect():
    options = {"core.executor": "x", "core.parallelism": "5", "AIRFLOW__CORE__X": "1", "core": "1"}
    found = [(one.severity, one.said, one.mend) for one in option_findings(VERSION, options)]
    assert found == [
        (
            "warning",
            "core.executor has no effect: MWAA makes it CeleryExecutor",
            "remove it from the environment",
        ),
        ("error", "'AIRFLOW__CORE__X' is no option", f"spell it core.x, {SPELLED}"),
        ("error", "'core' is no option", f"spell it section.option, {SPELLED}"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("core.Parallelism", "5", "'core.Parallelism' is no option"),
        ("core.dag-dir", "x", "'core.dag-dir' is no option"),
        (f"core.{'x' * 60}", "x", f"'core.{'x' * 60}' is no option"),
        ("core.parallelism", "", "core.parallelism: MWAA takes no such value"),
        ("email.from_email", "Zoë", "email.from_email: MWAA takes no such value"),
        ("airflow_ml_provider.role_arm", "x", "is no option of this package"),
    ],
)
def test_options_that_mwaa_would_refuse_or_nobody_reads(name, value, said):
    (found,) = option_findings(VERSION, {name: value})
    assert found.severity == "error"
    assert said in found.said
    assert option_problems(name, value) or "this package" in said


def option_problems(name, value):
    request = {"Name": "ml", "AirflowConfigurationOptions": {name: value}}
    return request_problems("mwaa", "UpdateEnvironment", request)


def test_options_that_have_one():
    options = {"airflow_ml_provider.root": "s3://lake"}
    found = [(one.severity, one.said) for one in option_findings(VERSION, options)]
    assert found == [("good", "1 options are set, and MWAA overrides none of them")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("export A=1", {"A": "1"}),
        ("export A=1 B='2 3' # C=4", {"A": "1", "B": "2 3"}),
        ("A=1; export A; B=2", {"A": "1"}),
        ("if true; then export A=1; fi", {"A": "1"}),
        ("export A=1 && echo B=2", {"A": "1"}),
        ("export \\\n  A=1", {"A": "1"}),
        ('export A="two\nlines"', {"A": '"two'}),
        ("# export A=1", {}),
        ("pip install a", {}),
    ],
)
def test_what_a_script_exports(text, found):
    assert exports(text) == found


def test_variables_that_have_no_effect(script):
    file = script(
        "export AIRFLOW__CORE__EXECUTOR=LocalExecutor PYTHONPATH=/x MWAA__A=1\n"
        "export AIRFLOW__CORE__PARALLELISM=5 AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG=6 OWN=1\n"
    )
    options = {"core.parallelism": "9", "core.max_active_tasks_per_dag": "6"}
    found = [*startup_findings(VERSION, options, file)]
    assert {one.severity for one in found} == {"warning"}
    assert [one.said.partition(" has no effect: ")[::2] for one in found] == [
        ("AIRFLOW__CORE__EXECUTOR", "MWAA makes it CeleryExecutor"),
        ("PYTHONPATH", "MWAA protects it"),
        ("MWAA__A", "MWAA protects it"),
        ("AIRFLOW__CORE__PARALLELISM", "the environment's option core.parallelism wins"),
    ]


def test_a_script_that_is_no_bash(script):
    (found,) = startup_findings(VERSION, {}, script("if true\n"))
    assert found.severity == "error"
    assert "syntax error" in found.said


def test_a_script_without_bash_to_read_it(script, monkeypatch):
    monkeypatch.setenv("PATH", "")
    (found,) = startup_findings(VERSION, {}, script("if true\n"))
    assert found.severity == "not checked"


def test_a_good_script(script):
    (found,) = startup_findings(VERSION, {}, script("export AIRFLOW__CORE__PARALLELISM=5\n"))
    assert found.severity == "good"
