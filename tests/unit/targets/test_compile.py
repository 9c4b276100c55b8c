from __future__ import annotations

import json

import pytest

from airflow_ml_provider.pipeline import (
    Account,
    LambdaCall,
    Pipeline,
    PipelineError,
    Processing,
    Run,
    SqlExtract,
)
from airflow_ml_provider.targets.compile import TARGETS, as_text, compile_pipeline, examined

ACCOUNT = Account(role_arn="arn:aws:iam::123456789012:role/ml", root="s3://lake/ml")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "job.py").write_text("print(1)\n")
    return tmp_path


def step(name="a", **options):
    return Processing(name, script="job.py", image_uri="image", **options)


@pytest.mark.parametrize("target", TARGETS)
def test_the_parts_of_what_is_compiled(folder, target):
    pipeline = Pipeline("p", steps=[step(arguments={"day": Run.DATE})], folder=folder)
    made = compile_pipeline(pipeline, target, ACCOUNT)
    assert (made.target, made.plan.name, made.plan.root) == (target, "p", "s3://lake/ml")
    assert made.text == as_text(made.document)
    assert json.loads(made.text) == made.document
    assert {one.feature for one in made.findings} >= {"data interval", "sagemaker_processing job"}
    assert str(folder) not in made.text
    if target == "airflow":
        assert made.code == {}
    else:
        ((key, body),) = made.code.items()
        assert body == b"print(1)\n"
        assert f"s3://lake/ml/{key.removesuffix('job.py')}" in made.text


def test_missing_roles_and_refusals_are_told_at_once(folder):
    extract = SqlExtract("q", conn_id="w", query="select 1")
    pipeline = Pipeline("p", steps=[step(), extract], root="s3://lake", folder=folder)
    with pytest.raises(PipelineError) as caught:
        compile_pipeline(pipeline, "sagemaker")
    said = "\n".join(caught.value.problems)
    assert "step 'a': role_arn: missing" in said
    assert "step 'q': extract: not on sagemaker: it runs in a processing job, whose image" in said


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"x": float("inf")}, "request.x: inf"),
        ({"x": [1.5, {"y": b"z"}]}, "request.x[1].y: b'z'"),
        ({"x": {1: 2}}, "request.x: 1"),
    ],
)
def test_what_is_no_json_is_named(folder, target, given, where):
    pipeline = Pipeline("p", steps=[step(overrides=given)], folder=folder)
    with pytest.raises(PipelineError) as caught:
        compile_pipeline(pipeline, target, ACCOUNT)
    (problem,) = caught.value.problems
    assert problem.startswith(f"step 'a': {where} is no JSON; give text, ")


def test_code_that_can_not_be_staged(folder):
    (folder / "lib").mkdir()
    (folder / "lib" / "job.py").write_text("")
    pipeline = Pipeline("p", steps=[step(modules=("lib/job.py",))], folder=folder)
    with pytest.raises(PipelineError, match=r"code: Two files .* name: job\.py"):
        compile_pipeline(pipeline, "sagemaker", ACCOUNT)
    (folder / "job.py").unlink()
    with pytest.raises(PipelineError, match=r"code: .*job.py do not exist"):
        compile_pipeline(pipeline, "sagemaker", ACCOUNT)


def test_the_plan_of_the_target(folder):
    extract = SqlExtract("q", conn_id="w", query="select 1", image_uri="image")
    called = LambdaCall("c", function="f", payload={"n": 1, "x": None, "on": True})
    pipeline = Pipeline("p", steps=[extract, called], folder=folder)
    kinds = {
        target: [type(node).__name__ for node in examined(pipeline, target, ACCOUNT)[0].nodes]
        for target in TARGETS
    }
    assert kinds["airflow"] == ["Extract", "Invoke"]
    assert kinds["sagemaker"] == kinds["step-functions"] == ["Job", "Invoke"]


def test_text_is_utf_8_and_has_no_other_numbers():
    assert as_text({"b": "ü", "a": 1}) == '{\n  "b": "ü",\n  "a": 1\n}\n'
    with pytest.raises(ValueError, match="Out of range"):
        as_text({"x": float("nan")})
