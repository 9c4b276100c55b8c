from __future__ import annotations

import pytest

from airflow_ml_provider.cli import main

GOOD = """
from airflow_ml_provider.pipeline import Notify, Pipeline
TOPIC = "arn:aws:sns:us-east-1:123456789012:ml"
pipeline = Pipeline("told", root="s3://lake", steps=[Notify("n", topic_arn=TOPIC, message="m")])
"""


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """What the command sets goes with the test."""
    for option in ("ROOT", "ROLE_ARN"):
        name = f"AIRFLOW__AIRFLOW_ML_PROVIDER__{option}"
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_good_files(tmp_path, capsys):
    (tmp_path / "good.py").write_text(GOOD)
    assert main(["check", str(tmp_path / "good.py")]) == 0
    assert "good.py: told: 1 steps, good" in capsys.readouterr().out


def test_every_bad_file_is_named(tmp_path, capsys):
    (tmp_path / "refused.py").write_text(
        GOOD.replace('message="m"', 'message="m", overrides={"X": 1}')
    )
    (tmp_path / "broken.py").write_text(GOOD.replace("s3://lake", "lake"))
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "wrong.py").write_text("undefined_name\n")
    names = ("wrong.py", "refused.py", "broken.py", "empty.py", "gone.py")
    files = [str(tmp_path / name) for name in names]
    assert main(["check", *files]) == 1
    errors = capsys.readouterr().err
    assert 'Publish: Unknown parameter in input: "X"' in errors
    assert "root: 'lake' is no S3 prefix" in errors
    assert "empty.py: it defines no Pipeline" in errors
    assert "gone.py" in errors
    assert "wrong.py: it can't be imported" in errors
    assert "NameError: name 'undefined_name' is not defined" in errors


def test_a_dag_file_needs_no_configuration(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("AIRFLOW__AIRFLOW_ML_PROVIDER__ROOT", raising=False)
    text = GOOD.replace('root="s3://lake", ', "") + (
        "from airflow_ml_provider.factories import pipeline_dag\ndag = pipeline_dag(pipeline)\n"
    )
    (tmp_path / "dag.py").write_text(text)
    assert main(["check", str(tmp_path / "dag.py")]) == 0
    assert "dag.py: told: 1 steps, good" in capsys.readouterr().out
