"""The matrix itself: what fails in it is told, with its version and step."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import all_versions
import environment
import pytest
import steps
from environment import Environment, StepError
from rich.console import Console

from airflow_ml_provider.mwaa.versions import VERSIONS

VERSION = VERSIONS["3.3.1"]
INSTALLED = Path(__file__).with_name("installed.py")


@pytest.fixture
def one(tmp_path):
    return Environment(VERSION, tmp_path)


def passes(_):
    return "seen"


def fails(_):
    raise StepError("the reason")


def lacks_a_file(_):
    raise FileNotFoundError("unshare")


def states(one, **steps):
    return [(r.step, r.state) for r in all_versions.run(one, steps, Console(file=io.StringIO()))]


def test_what_fails_does_not_keep_the_rest_from_running(one):
    assert states(one, environment=passes, imports=fails, offline=lacks_a_file, units=passes) == [
        ("environment", "passed"),
        ("imports", "failed"),
        ("offline", "failed"),
        ("units", "passed"),
    ]


@pytest.mark.parametrize("first", all_versions.FIRST)
def test_without_an_installation_nothing_can_be_tried(one, first):
    found = states(one, **{first: fails, "units": passes})
    assert found == [(first, "failed"), ("units", "not run")]


def test_the_end_names_version_and_step_of_a_failure(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(all_versions, "BUILD", tmp_path / "matrix")
    monkeypatch.setattr(all_versions, "STEPS", {"environment": passes, "units": fails})
    assert all_versions.main(["--versions", "3.0.6", "--steps", "environment", "units"]) == 1
    printed = capsys.readouterr().out
    assert "3.0.6 units: failed: the reason" in printed
    results = json.loads((tmp_path / "matrix.json").read_text())
    assert [(r["version"], r["step"], r["state"], r["said"]) for r in results] == [
        ("3.0.6", "environment", "passed", "seen"),
        ("3.0.6", "units", "failed", "the reason"),
    ]


def test_if_all_pass_it_ends_with_0(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(all_versions, "BUILD", tmp_path / "matrix")
    monkeypatch.setattr(all_versions, "STEPS", {"environment": passes})
    assert all_versions.main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"{version} environment: passed" in printed for version in VERSIONS)


def test_an_installation_may_add_but_not_change(one):
    image = {"boto3": "1", "rich": "2"}
    assert steps._added(image, {**image, "airflow-ml-provider": "0.1.0"}) == "1 packages came"
    with pytest.raises(StepError, match=r"changed what the image has: {'boto3': '2'}"):
        steps._added(image, {**image, "boto3": "2", "airflow-ml-provider": "0.1.0"})
    with pytest.raises(StepError, match="'rich': None"):
        steps._added(image, {"boto3": "1", "airflow-ml-provider": "0.1.0"})
    with pytest.raises(StepError, match="did not come"):
        steps._added(image, {**image, "pyarrow": "1"})


def test_the_constraints_come_from_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MWAA_CONSTRAINTS", str(tmp_path))
    with pytest.raises(StepError, match=r"MWAA_CONSTRAINTS may name .*3\.3\.1-constraints\.txt"):
        environment.fetch_constraints(VERSION)
    (tmp_path / "3.3.1-constraints.txt").write_text("boto3==1\n")
    assert environment.fetch_constraints(VERSION) == "boto3==1\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_requirements_name_the_constraints(tmp_path, version):
    one = Environment(VERSIONS[version], tmp_path)
    assert f'--constraint "{one.constraints}"\n' in one.requirements()


def test_a_failed_command_is_told_by_its_end(one):
    with pytest.raises(StepError, match=r"python.* ended with 3:\nsaid\nall: .*matrix\.log"):
        one.run(sys.executable, "-c", "print('said'); raise SystemExit(3)")
    assert "said" in (one.folder / "matrix.log").read_text()


def test_a_command_gets_no_settings_of_who_runs_it(monkeypatch, one):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    code = (
        "import os; print([name for name in os.environ if 'EXECUTOR' in name or 'PROFILE' in name])"
    )
    assert one.run(sys.executable, "-c", code) == "[]\n"


def ask_installed(*arguments):
    return subprocess.run(
        [sys.executable, INSTALLED, *arguments], capture_output=True, text=True, check=False
    )


def test_a_package_of_another_place_than_the_environment_is_refused(monkeypatch, tmp_path):
    package = tmp_path / "airflow_ml_provider"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "broken.py").write_text("import nowhere\n")
    (package / "worse.py").write_text("1 +\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = ask_installed("imports")
    assert done.returncode == 1
    assert f"comes from {package}" in done.stderr
    assert "airflow_ml_provider.broken: No module named 'nowhere'" in done.stderr
    assert "airflow_ml_provider.worse: SyntaxError" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [("import nowhere\nfrom airflow import DAG\n", "No module named 'nowhere'"), ("", "no DAG in")],
)
def test_a_dag_that_can_not_be_loaded_is_told(monkeypatch, tmp_path, text, told):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "mine.py").write_text(text)
    done = ask_installed("dags", tmp_path / "dags")
    assert done.returncode == 1
    assert told in done.stderr
