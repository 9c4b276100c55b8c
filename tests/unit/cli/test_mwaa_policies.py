from __future__ import annotations

import json
import os

from airflow_ml_provider.cli.mwaa_policies import folder_policies

EXECUTION = "arn:aws-cn:iam::210987654321:role/airflow"
JOBS = "arn:aws-cn:iam::210987654321:role/jobs"
OPTIONS = {"airflow_ml_provider.role_arn": JOBS, "airflow_ml_provider.root": "s3://lake/ml"}
TEXT = """
from pathlib import Path
from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import Pipeline, Processing
step = Processing("a", script="job.py", image_uri="image:1")
dag = pipeline_dag(Pipeline("flow", [step], folder=Path(__file__).parent), schedule=None)
"""


def test_the_options_and_the_place_of_the_environment_count(tmp_path):
    (tmp_path / "job.py").write_text("raise RuntimeError('a job is no definition')\n")
    (tmp_path / "flow.py").write_text(TEXT)
    made, found = folder_policies(tmp_path, OPTIONS, EXECUTION, "cn-north-1")
    assert found == []
    assert [*made] == ["flow"]
    assert [*made["flow"]["jobs"]] == [JOBS]
    execution = json.dumps(made["flow"]["execution"]["policy"])
    assert "arn:aws-cn:sagemaker:cn-north-1:210987654321:processing-job/" in execution
    assert "arn:aws-cn:s3:::lake/ml/code/" in execution


def test_the_definitions_get_no_credentials(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "cn-north-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "mine")
    text = "import json, os  # airflow_ml_provider\n"
    text += "raise ValueError(json.dumps({k: v for k, v in os.environ.items() if 'AWS_' in k}))\n"
    (tmp_path / "flow.py").write_text(text)
    _, (found,) = folder_policies(tmp_path, OPTIONS, EXECUTION, "cn-north-1")
    assert '"AWS_DEFAULT_REGION": "cn-north-1"' in found.said
    assert "secret" not in found.said
    assert "mine" not in found.said
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "secret"


def test_hidden_folders_are_left_alone(tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "flow.py").write_text("raise SystemExit('airflow_ml_provider')\n")
    assert folder_policies(tmp_path, OPTIONS, EXECUTION, "cn-north-1") == ({}, [])


def test_a_wrong_option_is_told(tmp_path):
    options = {"airflow_ml_provider.tags": "team=ml"}
    made, (found,) = folder_policies(tmp_path, options, EXECUTION, "cn-north-1")
    assert made == {}
    assert found.severity == "error"
    assert "tags must be a JSON object" in found.said
    assert found.mend == "mend the option airflow_ml_provider.tags"


def test_what_only_looks_like_a_file(tmp_path):
    (tmp_path / "folder.py").mkdir()
    (tmp_path / ".#flow.py").symlink_to("an editor's lock")
    assert folder_policies(tmp_path, OPTIONS, EXECUTION, "cn-north-1") == ({}, [])
