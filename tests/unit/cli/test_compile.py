from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_ml_provider.cli import main

EXAMPLE = Path(__file__).parents[3] / "dags" / "flight_delays" / "flight_delays.py"
ROLE = "arn:aws:iam::123456789012:role/ml"
TEXT = """
from pathlib import Path
from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import *
def step(name, **options):
    return Processing(name, script="job.py", image_uri="image", **options)
def dag(name, *steps, schedule="@daily", **more):
    made = Pipeline(name, root="s3://lake", folder=Path(__file__).parent, steps=steps, **more)
    return pipeline_dag(made, schedule=schedule)
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "job.py").write_text("print(1)\n")

    def _write(text):
        (tmp_path / "dags.py").write_text(TEXT + text)
        return tmp_path / "dags.py"

    return _write


@pytest.fixture
def compile_(tmp_path, capsys):
    def _compile(file, targets=("step-functions", "sagemaker"), role=ROLE):
        wanted = [word for target in targets for word in ("--target", target)]
        code = main(
            ["compile", str(file), *wanted, "--out", str(tmp_path / "out"), "--role-arn", role]
        )
        return code, *capsys.readouterr()

    return _compile


def tree(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_what_is_written_and_said(write, compile_, tmp_path):
    file = write("dag('p_q', step('a'), step('b'))\n")
    code, said, errors = compile_(file, targets=("airflow", "step-functions", "sagemaker"))
    assert (code, errors) == (0, "")
    out = tree(tmp_path / "out")
    assert {name.partition("/code/")[0] for name in out} == {
        f"p_q/{target}/{name}"
        for target in ("airflow", "step-functions", "sagemaker")
        for name in ("definition.json", "template.json")
    } | {"p_q/step-functions", "p_q/sagemaker"}
    assert json.loads(out["p_q/airflow/definition.json"])["dag_id"] == "p_q"
    assert str(tmp_path).encode() not in b"".join(out.values())
    assert "p_q/sagemaker: definition.json, template.json, 1 code objects\n" in said
    assert said.count("  lowered: retry of a, b: only for what AWS could not do") == 1


def test_what_was_there_is_replaced_as_a_whole(write, compile_, tmp_path):
    assert compile_(write("dag('p', step('a'))\n"))[0] == 0
    stray = tmp_path / "out" / "p" / "sagemaker" / "stray"
    stray.write_text("")
    (tmp_path / "job.py").write_text("print(2)\n")
    assert compile_(write("dag('p', step('a'))\n"), targets=["sagemaker"])[0] == 0
    assert not stray.exists()
    assert len(list((tmp_path / "out/p/sagemaker/code").iterdir())) == 1
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["p"]


def test_problems_of_all_pipelines_and_targets(write, compile_, tmp_path):
    text = """
dag("good", step("a"))
dag("late", step("a"), schedule="7 1,2 * * *")
dag("asks", Map("m", items=Parameter("xs", [1]), body=[step("x")]),
    SqlExtract("q", conn_id="w", query="select 1"))
"""
    code, said, errors = compile_(write(text), targets=("airflow", "step-functions", "sagemaker"))
    assert (code, said) == (1, "")
    assert not (tmp_path / "out").exists()
    assert "good" not in errors
    assert "dags.py: pipeline 'late': 1 problem\n  - schedule: '7 1,2 * * *'" in errors
    assert "pipeline 'asks': " in errors
    assert "step 'm': map over a parameter: not on sagemaker" in errors


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dag('p', step('a', overrides={'x': float('nan')}))\n", "nan is no JSON"),
        ("dag('p', step('a', overrides={'x': [b'x']}))\n", r"request.x[0]: b'x' is no JSON"),
        ("x = nothing\n", "NameError"),
        ("Pipeline('p', steps=[])\n", "steps: none"),
    ],
)
def test_a_wrong_file(write, compile_, text, said):
    code, _, errors = compile_(write(text))
    assert code == 1
    assert said in errors
    assert "Traceback" not in errors


def test_no_role_and_refusals_are_told_at_once(write, compile_):
    text = "dag('p', step('a'), SqlExtract('q', conn_id='w', query='select 1'), on_empty='skip')\n"
    code, _, errors = compile_(write(text), role="")
    assert code == 1
    assert "step 'a': role_arn: missing" in errors
    assert "step 'q': extract: not on sagemaker: on_empty='skip' would" in errors


def test_what_can_not_be_written(write, compile_, tmp_path):
    file = write("dag('p', step('a'))\n")
    (tmp_path / "out").write_text("")
    code, said, errors = compile_(file)
    assert (code, said) == (1, "")
    assert errors.startswith(f"--out {tmp_path / 'out'}: can't be written: ")
    assert errors.count("\n") == 1


def test_a_folder_of_somebody_else_stays(write, compile_, tmp_path):
    mine = tmp_path / "out" / "p" / "sagemaker" / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_text("x")
    code, _, errors = compile_(write("dag('p', step('a'))\n"))
    assert code == 1
    assert "has no definition.json: remove it" in errors
    assert list((tmp_path / "out").rglob("*.json")) == []
    assert mine.read_text() == "x"


def test_the_bytes_do_not_depend_on_the_hash_seed_or_the_folder(tmp_path):
    written = []
    for seed in ("1", "2"):
        out, home = tmp_path / seed / "out", tmp_path / seed
        home.mkdir()
        command = "import sys; from airflow_ml_provider.cli import main; sys.exit(main())"
        given = [str(EXAMPLE), "--role-arn", ROLE, "--worker-image-uri", "w:1", "--out", str(out)]
        targets = ("airflow", "step-functions", "sagemaker")
        wanted = [word for target in targets for word in ("--target", target)]
        subprocess.run(
            [sys.executable, "-c", command, "compile", *given, *wanted],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=home,
            check=True,
            capture_output=True,
        )
        written.append(tree(out))
    assert len(written[0]) > 12
    assert written[0] == written[1]


def test_a_reader_may_go_away(write, tmp_path):
    file = write("dag('p', step('a'))\n")
    read, end = os.pipe()
    os.close(read)
    command = "import sys; from airflow_ml_provider.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", command, "iam", str(file), "--target=airflow", f"--role-arn={ROLE}"],
        stdout=end,
        stderr=subprocess.PIPE,
        check=False,
        text=True,
    )
    os.close(end)
    assert (done.returncode, done.stderr) == (1, "")
