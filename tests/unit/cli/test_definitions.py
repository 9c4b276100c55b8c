from __future__ import annotations

import sys
from argparse import Namespace
from datetime import timedelta

import pytest

from airflow_ml_provider.cli.definitions import DefinitionError, account_of, definitions, load
from airflow_ml_provider.pipeline import PipelineError

HEAD = """
from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import *
TOPIC = "arn:aws:sns:us-east-1:123456789012:ml"
def made(name):
    return Pipeline(name, root="s3://lake", steps=[Notify("n", topic_arn=TOPIC, message="m")])
"""
VARIABLE = "AIRFLOW__AIRFLOW_ML_PROVIDER__"


@pytest.fixture
def write(tmp_path):
    def _write(text, name="dag.py", head=HEAD):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(head + text)
        return file

    return _write


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("ROLE_ARN", "ROOT", "TAGS"):
        monkeypatch.delenv(VARIABLE + name, raising=False)


def arguments(file, **given):
    options = {"pipeline": None, "role_arn": None, "root": None, "worker_image_uri": None}
    return Namespace(file=file, **(options | given))


def names(found):
    return [one.pipeline.name for one in found]


def test_what_it_makes_dags_of_with_schedule_and_account(write):
    text = """
from datetime import timedelta
own = Account(root="s3://own")
first = pipeline_dag(made("b"), schedule=timedelta(hours=1), account=own, tags=["x"])
for name in ("a", "c"):
    pipeline_dag(made(name))
beside = made("beside")
"""
    found = definitions(write(text))
    assert names(found) == ["b", "a", "c"]
    assert found[0].schedule == timedelta(hours=1)
    assert found[0].account.root == "s3://own"


def test_pipelines_at_the_top_if_it_makes_no_dag(write):
    found = definitions(write("x = made('x')\nagain = x\ny = made('y')\n"))
    assert names(found) == ["x", "y"]


def test_training_dag_needs_no_airflow(write, tmp_path):
    (tmp_path / "train.py").write_text("")
    text = """
from pathlib import Path
from airflow_ml_provider.factories import training_dag
t = Training("t", script="train.py", image_uri="i", inputs={"train": "s3://data/t"})
e = Evaluation("e", script="train.py", image_uri="i", model=t.artifact, data="s3://data/e")
dag = training_dag("trained", data=[], training=t, evaluation=e, gate=e.metric("auc") > 0.5,
    group="g", root="s3://lake", folder=Path(__file__).parent, schedule="@weekly")
"""
    before = set(sys.modules)
    (found,) = definitions(write(text))
    assert (found.pipeline.name, found.schedule) == ("trained", "@weekly")
    assert not {name for name in set(sys.modules) - before if name.startswith("airflow.")}


def test_neighbours_of_two_files_may_have_the_same_name(write):
    for folder in ("one", "two"):
        write(f"shared = made('{folder}')\n", f"{folder}/common.py")
    files = [
        write("import common\npipeline = common.shared\n", f"{folder}/dag.py", "")
        for folder in ("one", "two")
    ]
    assert [names(definitions(file)) for file in files] == [["one"], ["two"]]
    assert "common" not in sys.modules


def test_modules_below_the_dags_folder_are_found(write, tmp_path, monkeypatch):
    write("shared = made('shared')\n", "team/parts.py")
    file = write("from team.parts import shared\n", "deep/dag.py", "")
    with pytest.raises(DefinitionError, match="put the folder that has it on PYTHONPATH"):
        definitions(file)
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path))
    assert names(definitions(file)) == ["shared"]


def test_what_a_file_may_do_with_its_dag(write, capsys):
    text = "dag = pipeline_dag(made('p'))\ndag.doc_md = 'x'\nprint(dag.dag_id)\n"
    assert names(definitions(write(text))) == ["p"]
    assert capsys.readouterr() == ("", "p\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", "SyntaxError: '\\(' was never closed"),
        ("\nx = nothing\n", r"dag\.py, line 8: NameError: .*\n    x = nothing"),
        ("raise SystemExit(0)\n", "line 7: SystemExit: 0"),
        ("Notify('n', topic=1)\n", r"dag\.py, line 7: TypeError: Notify: "),
        ("with pipeline_dag(made('p')):\n    pass\n", "p has tasks beside the pipeline's steps"),
        (
            "from airflow_ml_provider.factories import document_dag\ndocument_dag({})\n",
            r"dag\.py: factories\.document_dag needs Airflow",
        ),
    ],
)
def test_why_a_file_can_not_be_read(write, text, said):
    with pytest.raises(DefinitionError, match=said) as caught:
        definitions(write(text))
    assert "Traceback" not in str(caught.value)


def test_an_error_outside_of_the_file_has_no_place_in_it(write, monkeypatch):
    def fail(*_):
        raise MemoryError("out")

    monkeypatch.setattr("runpy.run_path", fail)
    with pytest.raises(DefinitionError, match=r"imported\n  MemoryError: out$"):
        definitions(write(""))


@pytest.mark.parametrize("name", ["gone.py", "."])
def test_there_must_be_a_file(tmp_path, name):
    with pytest.raises(DefinitionError, match="there is no such file"):
        definitions(tmp_path / name)


def test_the_process_stays_as_it_was(write, monkeypatch):
    monkeypatch.delenv("AIRFLOW_HOME")
    path, factories = list(sys.path), sys.modules.get("airflow_ml_provider.factories")
    file = write("import os\nassert os.path.isdir(os.environ['AIRFLOW_HOME'])\np = made('p')\n")
    assert names(definitions(file)) == ["p"]
    assert sys.path == path
    assert sys.modules.get("airflow_ml_provider.factories") is factories
    assert "AIRFLOW_HOME" not in __import__("os").environ


def test_accounts_are_filled(write, monkeypatch):
    text = "pipeline_dag(made('p'), account=Account(root='s3://own'))\npipeline_dag(made('q'))\n"
    monkeypatch.setenv(f"{VARIABLE}ROOT", "s3://configured")
    monkeypatch.setenv(f"{VARIABLE}SUBNETS", "subnet-1, subnet-2")
    monkeypatch.setenv(f"{VARIABLE}TAGS", '{"team": "ml"}')
    own, other = (one.account for one in load(arguments(write(text), role_arn="role")))
    assert (own.root, own.role_arn) == ("s3://own", "role")
    assert own.subnets == other.subnets == ("subnet-1", "subnet-2")
    assert other.tags == {"team": "ml"}
    assert other.root == "s3://configured"


def test_options_win_over_variables(monkeypatch):
    monkeypatch.setenv(f"{VARIABLE}ROOT", "s3://configured")
    assert account_of(arguments(None, root="s3://given")).root == "s3://given"
    monkeypatch.setenv(f"{VARIABLE}TAGS", "team=ml")
    with pytest.raises(DefinitionError, match="tags must be a JSON object"):
        account_of(arguments(None))


def test_some_of_the_pipelines(write):
    file = write("a, b = made('a'), made('b')\n")
    assert names(load(arguments(file, pipeline=["b"]))) == ["b"]
    with pytest.raises(DefinitionError, match="no pipeline c, d; it has a, b"):
        load(arguments(file, pipeline=["d", "a", "c"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it defines no Pipeline"),
        ("a, b = made('a'), made('a')\n", "several pipelines are called a; rename them"),
        ("made('a b')\n", r"dag\.py: pipeline 'a b': 1 problem"),
    ],
)
def test_what_is_no_definition(write, text, said):
    with pytest.raises(DefinitionError, match=said):
        load(arguments(write(text)))


def test_a_wrong_definition_keeps_its_problems(write):
    with pytest.raises(PipelineError) as caught:
        definitions(write("made('a b')\n"))
    assert len(caught.value.problems) == 1
