from __future__ import annotations

import pytest
from botocore.exceptions import NoCredentialsError

from airflow_ml_provider.aws import clients, deployment
from airflow_ml_provider.cli import main

ROLE = "arn:aws:iam::123456789012:role/ml"
TEXT = """
from pathlib import Path
from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import Pipeline, Processing
step = Processing("a", script="job.py", image_uri="image:1")
made = Pipeline("p", root="s3://lake", folder=Path(__file__).parent, steps=[step])
dag = pipeline_dag(made, schedule="@daily")
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "job.py").write_text("print(1)\n")
    (tmp_path / "dag.py").write_text(TEXT)
    return tmp_path / "dag.py"


@pytest.fixture
def run(file, tmp_path, capsys):
    def _run(command, *options, target="sagemaker"):
        wanted = ["--target", target, "--out", str(tmp_path / "out"), "--role-arn", ROLE]
        code = main([command, str(file), *wanted, *options])
        return code, *capsys.readouterr()

    return _run


def test_before_after_and_what_changed(run, file, tmp_path):
    code, said, _ = run("diff")
    assert code == 1
    assert said == f"{tmp_path}/out/p/sagemaker: nothing was compiled there yet\n"
    run("compile")
    assert run("diff") == (0, "", "")
    file.write_text(TEXT.replace("image:1", "image:2").replace("@daily", "@hourly"))
    code, said, _ = run("diff")
    assert code == 1
    assert said.count("image:2") == 1  # the template holds it again
    assert '-              "ImageUri": "image:1"'.replace(" ", "") in said.replace(" ", "")
    assert '+        "Description": "p: @hourly",\n' in said


def test_code_and_what_was_changed_by_hand(run, tmp_path):
    run("compile")
    folder = tmp_path / "out" / "p" / "sagemaker"
    (folder / "stray.txt").write_text("x")
    (folder / "template.json").write_bytes(b"\xff no JSON")
    (code_file,) = folder.glob("code/*/job.py")
    code_file.write_text("print('hand')\n")
    code, said, _ = run("diff")
    assert code == 1
    assert f"{folder}/stray.txt: not needed any more\n" in said
    assert f"{code_file}: changed by hand\n" in said
    assert "-\ufffd no JSON\n" in said
    (folder / "definition.json").write_text("no JSON")
    assert "-no JSON\n" in run("diff")[1]
    (tmp_path / "job.py").write_text("print(2)\n")
    said = run("diff")[1]
    assert f"{code_file}: not needed any more\n" in said
    assert "/job.py: new\n" in said


def test_what_can_not_be_told(run, file, tmp_path):
    (tmp_path / "out" / "p").mkdir(parents=True)
    (tmp_path / "out" / "p" / "sagemaker").write_text("")
    assert run("diff")[0] == 1
    file.write_text("x = nothing\n")
    code, said, errors = run("diff")
    assert (code, said) == (2, "")
    assert "NameError" in errors


class TestDeployed:
    @pytest.fixture
    def aws(self, monkeypatch):
        """What is deployed: a document, nothing, or an error."""
        answers = {}

        def answer(target, pipeline, client):
            assert (pipeline, client) == ("p", clients.client)
            found = answers[target]
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(deployment, "deployed_definition", answer)
        return answers

    def test_the_same_in_other_spacing(self, run, aws, tmp_path):
        run("compile")
        text = (tmp_path / "out/p/sagemaker/definition.json").read_text()
        aws["sagemaker"] = text.replace("\n", "")
        assert run("diff", "--deployed") == (0, "", "")
        aws["sagemaker"] = text.replace("image:1", "image:0")
        code, said, _ = run("diff", "--deployed")
        assert code == 1
        assert said.startswith("--- p on sagemaker\n+++ p on sagemaker (now)\n")

    def test_nothing_there(self, run, aws):
        aws["step-functions"] = None
        said = "p on step-functions: nothing is deployed under its name\n"
        assert run("diff", "--deployed", target="step-functions") == (1, said, "")

    @pytest.mark.parametrize("error", [NoCredentialsError(), ValueError("it has none")])
    def test_one_line_of_error(self, run, aws, error):
        aws["sagemaker"] = error
        assert run("diff", "--deployed") == (2, "", f"p on sagemaker: {error}\n")
