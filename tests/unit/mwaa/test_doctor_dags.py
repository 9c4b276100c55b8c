from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from airflow_ml_provider.mwaa import dag_imports
from airflow_ml_provider.mwaa.doctor_dags import (
    DagImportError,
    Imported,
    dag_findings,
    import_dags,
    variables,
)
from airflow_ml_provider.mwaa.versions import VERSIONS

VERSION = VERSIONS["3.3.1"]
FRAME = '  File "{file}", line {line}, in <module>\n    x = 1\n'


@pytest.fixture
def dags(tmp_path):
    folder = tmp_path / "dags"
    folder.mkdir()
    return folder


@pytest.fixture
def python(tmp_path):
    """Make an interpreter that does this instead of what it is asked for."""

    def make(body):
        file = tmp_path / "python"
        file.write_text(f"#!{sys.executable}\nimport json, os, sys\n{body}\n")
        file.chmod(0o755)
        return file

    return make


def test_options_as_variables():
    options = {
        "airflow_ml_provider.root": "s3://lake",
        "core.parallelism": "5",
        "core.executor": "LocalExecutor",
        "wrong": "1",
    }
    assert variables(VERSION, options) == {
        "AIRFLOW__AIRFLOW_ML_PROVIDER__ROOT": "s3://lake",
        "AIRFLOW__CORE__PARALLELISM": "5",
    }


def test_what_the_process_gets(python, dags, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "7")
    interpreter = python(
        "told = json.dumps({'arguments': sys.argv[1:], **os.environ})\n"
        "found = {'airflow': '3.3.1', 'python': '3.12.1', 'dags': [], 'errors': {'said': told}}\n"
        "open(sys.argv[-1], 'w').write(json.dumps(found))"
    )
    found = import_dags(interpreter, dags, {"OWN": "1", "AIRFLOW__SECRETS__BACKEND": "elsewhere"})
    told = json.loads(found.errors["said"])
    assert told["arguments"][:3] == ["-IB", dag_imports.__file__, str(dags)]
    assert told["OWN"] == "1"
    assert "AIRFLOW__SECRETS__BACKEND" not in told
    assert told["AIRFLOW__CORE__DAGS_FOLDER"] == str(dags)
    assert "AWS_SECRET_ACCESS_KEY" not in told
    assert told["HOME"] == told["AIRFLOW_HOME"]
    assert "AIRFLOW__CORE__PARALLELISM" not in told
    assert not Path(told["AIRFLOW_HOME"]).exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [("sys.exit('no airflow here')", "no airflow here"), ("sys.exit(3)", "code 3")],
)
def test_an_import_that_did_not_happen(python, dags, body, said):
    with pytest.raises(DagImportError, match=said):
        import_dags(python(body), dags, {})


def test_a_python_that_is_none(tmp_path, dags):
    (tmp_path / "python").write_text("")
    with pytest.raises(DagImportError, match="could not import"):
        import_dags(tmp_path / "python", dags, {})


def found(dags, errors, airflow="3.3.1", python="3.12.1", names=()):
    imported = Imported(airflow, python, names, errors)
    return [(one.severity, one.said, one.mend) for one in dag_findings(VERSION, dags, imported)]


def test_a_broken_file_is_told_by_its_own_line(dags):
    error = (
        "Traceback (most recent call last):\n"
        + FRAME.format(file=dags / "flow.py", line=3)
        + FRAME.format(file=dags / "common.py", line=7)
        + FRAME.format(file="/lib/site-packages/requests.py", line=1)
        + "ModuleNotFoundError: No module named 'requests'\n"
    )
    ((severity, said, mend),) = found(dags, {str(dags / "flow.py"): error})
    assert severity == "error"
    assert said == (
        f"{dags / 'common.py'}, line 7: ModuleNotFoundError: No module named 'requests'"
    )
    assert mend.startswith("name what has requests in requirements.txt")


def test_an_error_without_a_line(dags):
    ((_, said, mend),) = found(dags, {"flow.py": "AirflowDagCycleException: a cycle"})
    assert said == "flow.py: AirflowDagCycleException: a cycle"
    assert mend == "mend the line that it names"


@pytest.mark.parametrize(
    "error",
    [
        "KeyError: 'Variable bucket does not exist.'",
        "sqlite3.OperationalError: no such table: connection",
        "AirflowNotFoundException: The conn_id `a` isn't defined",
    ],
)
def test_what_asks_for_a_variable_can_not_be_judged(dags, error):
    ((severity, _, mend),) = found(dags, {"flow.py": error})
    assert severity == "warning"
    assert "in a task or a template" in mend


def test_other_versions_than_those_of_mwaa(dags):
    airflow, python, good = found(dags, {}, "3.2.1", "3.11.7", ("flights",))
    assert airflow[:2] == ("error", "imported by Airflow 3.2.1, not by 3.3.1")
    assert python[:2] == ("warning", "imported by Python 3.11.7; MWAA has 3.12.13")
    assert good[:2] == ("good", f"{dags}: Airflow 3.2.1 imports flights")


def test_a_folder_without_dags(dags):
    ((severity, said, _),) = found(dags, {})
    assert (severity, said) == ("warning", f"{dags}: Airflow 3.3.1 imports no DAG")


def test_the_airflow_that_is_here_imports(dags):
    (dags / "good.py").write_text(
        "try:\n    from airflow.sdk import DAG\n"
        "except ImportError:\n    from airflow import DAG\n"
        "import neighbour\ndag = DAG('good', schedule=None)\n"
    )
    (dags / "broken.py").write_text("# airflow dag\nimport not_there\n")
    (dags / "no_definition.py").write_text("import not_there\n")
    (dags / "neighbour.py").write_text("")
    imported = import_dags(sys.executable, dags, {})
    assert not (dags / "__pycache__").exists()
    assert imported.dags == ("good",)
    ((file, error),) = imported.errors.items()
    assert file.endswith("broken.py")
    assert "No module named 'not_there'" in error
