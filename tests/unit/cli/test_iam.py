from __future__ import annotations

import json

import pytest

from airflow_ml_provider.cli import main

ROLE = "arn:aws:iam::123456789012:role/ml"
TEXT = """
from pathlib import Path
from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import Pipeline, Processing
print("said by the file")
step = Processing("a", script="job.py", image_uri="image:1")
made = Pipeline("p", root="s3://lake", folder=Path(__file__).parent, steps=[step])
dag = pipeline_dag(made, schedule="1 2,3 * * *")
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "job.py").write_text("")
    (tmp_path / "dag.py").write_text(TEXT)
    return tmp_path / "dag.py"


def test_json_by_pipeline_and_target(file, capsys):
    options = ["--target", "sagemaker", "--target", "airflow", "--role-arn", ROLE]
    place = ["--region", "cn-north-1", "--partition", "aws-cn", "--account-id", "210987654321"]
    # A schedule that no template can hold matters to no role.
    assert main(["iam", str(file), *options, *place]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["p"]
    assert list(found["p"]) == ["sagemaker", "airflow"]
    assert "arn:aws-cn:sagemaker:cn-north-1:210987654321:" in json.dumps(found)


def test_an_error(file, capsys):
    assert main(["iam", str(file), "--target", "sagemaker"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "step 'a': role_arn: missing" in said.err
