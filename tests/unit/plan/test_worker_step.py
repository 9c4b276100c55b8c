from __future__ import annotations

import ast
import base64
import hashlib
from importlib.metadata import distributions
from pathlib import Path

import pytest

import airflow_ml_provider
from airflow_ml_provider.pipeline.values import (
    Code,
    Dataset,
    Item,
    JobField,
    Metric,
    Output,
    Parameter,
    ResourceName,
    Run,
    Text,
    Token,
)
from airflow_ml_provider.plan.nodes import Map
from airflow_ml_provider.plan.worker_step import (
    modules,
    start_file,
    step_file,
    worker_wheel,
    written,
)

PACKAGE = Path(airflow_ml_provider.__file__).parent


def a_map(items):
    return {"each": Map(name="each", items=items, body=())}


def test_values_become_variables_and_keep_their_type():
    work = {
        "same": [Run.KEY, Run.KEY],
        "since": Parameter("since", "monday"),
        "depth": Parameter("depth", 6),
        "rate": Parameter("rate", 0.5),
        "fast": Parameter("fast", default=False),
        "auc": Metric("evaluate", ("auc",)),
        "model": JobField("train", ("ModelArtifacts", "S3ModelArtifacts")),
        "data": Output("features", "train"),
        "history": Dataset("daily"),
        "script": Code(("jobs/daily.py",), "file"),
        "name": ResourceName("model"),
        "literals": [None, True, 1, 0.5, "text", {}],
    }
    found = written(work, {})
    assert found.problems == ()
    assert found.work == {
        "same": [
            {"$value": "AIRFLOW_ML_VALUE_1", "type": "string"},
            {"$value": "AIRFLOW_ML_VALUE_1", "type": "string"},
        ],
        "since": {"$value": "AIRFLOW_ML_VALUE_2", "type": "string"},
        "depth": {"$value": "AIRFLOW_ML_VALUE_3", "type": "integer"},
        "rate": {"$value": "AIRFLOW_ML_VALUE_4", "type": "number"},
        "fast": {"$value": "AIRFLOW_ML_VALUE_5", "type": "boolean"},
        "auc": {"$value": "AIRFLOW_ML_VALUE_6", "type": "number"},
        "model": {"$value": "AIRFLOW_ML_VALUE_7", "type": "string"},
        "data": {"$value": "AIRFLOW_ML_VALUE_8", "type": "string"},
        "history": {"$value": "AIRFLOW_ML_VALUE_9", "type": "string"},
        "script": {"$value": "AIRFLOW_ML_VALUE_10", "type": "string"},
        "name": {"$value": "AIRFLOW_ML_VALUE_11", "type": "string"},
        "literals": [None, True, 1, 0.5, "text", {}],
    }
    assert list(found.environment.values()) == [
        Run.KEY,
        Parameter("since", "monday"),
        Text.of(Parameter("depth", 6)),
        Text.of(Parameter("rate", 0.5)),
        Text.of(Parameter("fast", default=False)),
        Text.of(Metric("evaluate", ("auc",))),
        Text.of(JobField("train", ("ModelArtifacts", "S3ModelArtifacts"))),
        Output("features", "train"),
        Dataset("daily"),
        Code(("jobs/daily.py",), "file"),
        ResourceName("model"),
    ]


def test_a_text_keeps_its_literals_and_has_a_variable_for_each_value():
    value = Text.of("AUC ", Metric("e", ("auc",)), " ", 6, Text.of(" on ", Run.DATE))
    found = written({"Message": value, "ClientToken": Token()}, {})
    variables = [
        {"$value": "AIRFLOW_ML_VALUE_1", "type": "number"},
        {"$value": "AIRFLOW_ML_VALUE_2", "type": "string"},
    ]
    assert found.work == {
        "Message": {"$text": ["AUC ", variables[0], " ", "6", {"$text": [" on ", variables[1]]}]},
        "ClientToken": {"$token": ""},
    }


@pytest.mark.parametrize(
    ("items", "path", "type_"),
    [
        (("a", "b"), (), "string"),
        (({"depth": 1}, {"depth": 2}), ("depth",), "integer"),
        (({"a": {"b": 1}}, {"a": {"b": 0.5}}), ("a", "b"), "number"),
        (Parameter("days", [True, False]), (), "boolean"),
    ],
)
def test_items_have_the_type_that_they_all_have(items, path, type_):
    found = written({"x": Item("each", path)}, a_map(items))
    assert found.work == {"x": {"$value": "AIRFLOW_ML_VALUE_1", "type": type_}}
    assert found.environment == {"AIRFLOW_ML_VALUE_1": Text.of(Item("each", path))}
    assert found.problems == ()


@pytest.mark.parametrize(
    ("items", "path", "what"),
    [
        (({"depth": 1},), (), "the item"),
        ((1, "a"), (), "the item"),
        (({"depth": 1}, "a"), ("depth",), "the item.depth"),
        (({"depth": None},), ("depth",), "the item.depth"),
        (Parameter("days", []), (), "the item"),
    ],
)
def test_an_item_that_is_not_always_of_one_type_is_a_problem(items, path, what):
    (problem,) = written({"x": Item("each", path)}, a_map(items)).problems
    assert problem == (
        f"{what} of map 'each' is not always of one type: a string, a number or a boolean"
    )


def test_a_list_is_no_variable():
    (problem,) = written({"x": Parameter("days", ["monday"])}, {}).problems
    assert problem.startswith("the default of parameter 'days' is not always of one type")


def test_the_limits_of_the_environment_are_problems():
    many = [Parameter(f"p{number}", number) for number in range(101)]
    assert written(many, {}).problems == ("it has 101 values of the run, a job takes 100",)
    (problem,) = written([Parameter("text", "x" * 257)], {}).problems
    assert problem == "parameter 'text': its default has more than 256 characters"
    assert written([*many, Parameter("text", "x" * 257)], {}, bounded=False).problems == ()


def test_the_step_file_is_readable_and_always_the_same():
    assert step_file({"b": 1, "a": "ü"}) == Code(
        (), "prefix", (("step.json", '{\n  "b": 1,\n  "a": "ü"\n}\n'),)
    )


def test_a_step_file_and_a_script_alone():
    assert step_file({}, "file") == Code((), "file", (("step.json", "{}\n"),))
    ((name, text),) = start_file("glue_shell").texts
    assert name == "run.py"
    assert "airflow_ml_provider.worker.glue_shell import main" in text


def test_the_wheel_holds_the_modules_and_asks_for_nothing(tmp_path):
    name, files = worker_wheel()
    version = airflow_ml_provider.__version__
    assert name == f"airflow_ml_worker-{version}-py3-none-any.whl"
    info = f"airflow_ml_worker-{version}.dist-info"
    texts = dict(modules().texts)
    del texts["run.py"]
    assert {path: body.decode() for path, body in files.items() if info not in path} == texts
    assert b"Requires-Dist" not in files[f"{info}/METADATA"]
    for path, body in files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
    (found,) = distributions(path=[str(tmp_path)])
    assert found.metadata["Name"] == "airflow-ml-worker"
    assert {str(one) for one in found.files} == files.keys()
    for one in found.files:
        if one.hash is not None:
            digest = hashlib.sha256(one.read_binary()).digest()
            assert one.hash.value == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            assert one.size == len(one.read_binary())
    assert [one.name for one in found.files if one.hash is None] == ["RECORD"]


def test_the_modules_import_nothing_that_is_not_among_them():
    texts = dict(modules().texts)
    assert next(iter(texts)) == "run.py"
    missing = {
        f"{name} imports {module}"
        for name, text in texts.items()
        for module in _imported(ast.parse(text))
        if f"{module.replace('.', '/')}.py" not in texts
        and f"{module.replace('.', '/')}/__init__.py" not in texts
    }
    # The rest is imported under TYPE_CHECKING only.
    assert missing == set()
    assert all((PACKAGE.parent / name).read_text() == texts[name] for name in [*texts][1:])


def _imported(tree):
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in skipped:
            whole = node.module or ""
            if whole.startswith("airflow_ml_provider"):
                names = [f"{whole}.{alias.name}" for alias in node.names]
                found = [
                    name
                    for name in names
                    if (PACKAGE.parent / f"{name.replace('.', '/')}.py").exists()
                ]
                yield from found or [whole]
            else:
                assert whole.split(".")[0] not in {"airflow", "tenacity", "typing_extensions"}
