"""Each value of a plan in the language of a definition."""

from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline.values import (
    Code,
    Dataset,
    History,
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
from airflow_ml_provider.plan.nodes import Invoke
from airflow_ml_provider.targets.sagemaker_pipelines.units import MapItem, Unit
from airflow_ml_provider.targets.sagemaker_pipelines.values import (
    Scope,
    references,
    run_key,
    spelled,
)

DEPTH = {"Get": "Parameters.depth"}


@pytest.fixture
def scope(job, plan):
    ask = Invoke(name="ask", function="arn:f", payload={}, timeout_seconds=1, retry=())
    here = job("here")
    nodes = (job("a"), job("spark", kind="emr_serverless"), ask, here)
    item = MapItem(3, {"k": {"l": [7, "x"]}, "n": 5}, frozenset({"here"}))
    made = plan(*nodes)
    unit = Unit(name="here-3", label="here-3", node=here, names={"a": "a-then"}, item=item)
    return Scope(made, {node.name: node for node in nodes}, unit)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (Run.KEY, {"Get": "Parameters.run_key"}),
        (Run.ID, {"Get": "Execution.PipelineExecutionId"}),
        (Run.DATE, {"Get": "Parameters.run_date"}),
        (Run.INTERVAL_START, {"Get": "Parameters.data_interval_start"}),
        (Run.INTERVAL_END, {"Get": "Parameters.data_interval_end"}),
        (Parameter("depth", 6), DEPTH),
        (Dataset("daily"), "s3://bucket/root/datasets/daily/"),
        (History("a"), "s3://bucket/root/flights/_history/a.json"),
        (History("here"), "s3://bucket/root/flights/_history/here/3.json"),
        (ResourceName("a"), {"Get": "Steps.a-then.ModelName"}),
        (JobField("a", ("A", "B")), {"Get": "Steps.a-then.A.B"}),
        (JobField("b", ("A", "0", "c-d", "E")), {"Get": "Steps.b.A[0]['c-d'].E"}),
        (JobField("ask", ("x-y",)), {"Get": "Steps.ask.OutputParameters['x-y']"}),
        (JobField("spark", ("jobRunId",)), {"Get": "Steps.spark.jobRun.jobRunId"}),
        (Item("m", ("n",)), 5),
        (Item("m", ("k", "l", "1")), "x"),
        (Code(("a.py", "b.py"), "prefix"), "s3://bucket/root/code/a.py/b.py"),
        (Text("plain"), "plain"),
        (Text(""), ""),
        (Text.of("a", 1, Text.of("b", 0.5)), "a1b0.5"),
        (Text.of(Item("m", ("k", "l"))), '[7, "x"]'),
        (Text.of(Parameter("depth", 6)), {"Std:Join": {"On": "", "Values": [DEPTH]}}),
        (
            Text.of("a", "b", Parameter("depth", 6), "c"),
            {"Std:Join": {"On": "", "Values": ["ab", DEPTH, "c"]}},
        ),
    ],
)
def test_value(scope, value, wanted):
    assert spelled({"X": [value]}, scope) == {"X": [wanted]}


def test_output(scope):
    key = {"Get": "Parameters.run_key"}
    folder = "s3://bucket/root/flights/"
    own = {"Std:Join": {"On": "", "Values": [folder, key, "/here/3/o/"]}}
    other = {"Std:Join": {"On": "", "Values": [folder, key, "/a/o/"]}}
    assert spelled([Output("here", "o"), Output("a", "o")], scope) == [own, other]
    file = Text.of(Output("a", "o"), "f.json")
    assert spelled(file, scope)["Std:Join"]["Values"] == [folder, key, "/a/o/f.json"]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (("metrics", "auc"), "metrics.auc"),
        (("f1-score", "value"), "['f1-score'].value"),
        (("a", "b.c", "0"), "a['b.c']['0']"),
        (("it's",), '["it\'s"]'),
    ],
)
def test_metric(scope, path, wanted):
    assert spelled(Metric("a", path), scope) == {
        "Std:JsonGet": {
            "PropertyFile": {"Get": "Steps.a-then.PropertyFiles.Report"},
            "Path": wanted,
        }
    }


def test_a_token_is_left_out(scope):
    assert spelled({"ClientToken": Token(), "X": [{"T": Token(), "Y": 1}]}, scope) == {
        "X": [{"Y": 1}]
    }


def test_run_key(plan):
    assert run_key(plan()) == {"Get": "Parameters.run_key"}
    assert run_key(plan(keyed_by="execution")) == {"Get": "Execution.PipelineExecutionId"}


def test_references():
    document = {"A": [{"Get": "Parameters.x"}, 1], "B": {"Std:Join": {"Values": [{"Get": "Y"}]}}}
    assert list(references(document)) == ["Parameters.x", "Y"]
