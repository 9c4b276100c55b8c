"""An extract as a run of a Glue Python shell job."""

from __future__ import annotations

import json

import pytest

from airflow_ml_provider.pipeline import (
    Account,
    GluePythonShell,
    Item,
    Map,
    Notify,
    Parameter,
    Pipeline,
    PipelineError,
    SqlExtract,
    Text,
)
from airflow_ml_provider.pipeline.values import Code, History, Output, Run
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.plan.nodes import Extract

ROLE = "arn:aws:iam::123456789012:role/ml"
SHOP = {
    "conn_id": "shop",
    "query": "select * from orders where shop = :shop and day < :data_interval_end",
    "parameters": {"shop": Parameter("number", 7)},
}


def job(account=None, **fields):
    step = SqlExtract("orders", **{**SHOP, "on": GluePythonShell(), **fields})
    plan = build(Pipeline("p", [step], root="s3://lake"), account or Account(role_arn=ROLE))
    return plan.nodes[0]


def work_of(node):
    code = node.request["Arguments"]["--airflow-ml-step"]
    ((name, text),) = code.texts
    assert (code.form, name) == ("file", "step.json")
    return json.loads(text)


def test_the_request():
    node = job(
        Account(role_arn=ROLE, tags={"team": "ml"}),
        on=GluePythonShell(max_capacity=1, connections=("vpc",), definition={"MaxRetries": 0}),
        requirements=("psycopg2-binary==2.9.10",),
        timeout_seconds=61,
        overrides={"ExecutionClass": "STANDARD"},
    )
    arguments = dict(node.request["Arguments"])
    assert {"--airflow-ml-step", "--AIRFLOW_ML_VALUE_1"} <= arguments.keys()
    for name in [*arguments]:
        if name.startswith("--AIRFLOW_ML_VALUE_") or name == "--airflow-ml-step":
            del arguments[name]
    assert (node.kind, node.timeout_seconds) == ("glue", 61)
    assert {**node.request, "Arguments": arguments} == {
        "JobName": "p-orders",
        "Definition": {
            "Role": ROLE,
            "Command": {
                "Name": "pythonshell",
                "PythonVersion": "3.9",
                "ScriptLocation": node.request["Definition"]["Command"]["ScriptLocation"],
            },
            "GlueVersion": "3.0",
            "MaxCapacity": 1,
            "ExecutionProperty": {"MaxConcurrentRuns": 20},
            "Connections": {"Connections": ["vpc"]},
            "Tags": {"team": "ml"},
            "MaxRetries": 0,
        },
        "Arguments": {
            "--extra-py-files": Code((), "wheel"),
            "--additional-python-modules": (
                "boto3==1.42.97,pyarrow==20.0.0,psycopg2-binary==2.9.10"
            ),
            "library-set": "none",
        },
        "MaxCapacity": 1,
        "Timeout": 2,
        "ExecutionClass": "STANDARD",
    }
    script = node.request["Definition"]["Command"]["ScriptLocation"]
    ((name, text),) = script.texts
    assert (script.form, name) == ("file", "run.py")
    assert "from airflow_ml_provider.worker.glue_shell import main" in text


def test_what_is_to_be_done_is_a_file_and_its_values_are_arguments():
    node = job(Account(role_arn=ROLE, kms_key_id="key"))
    work = work_of(node)
    values = {
        name: value
        for name, value in node.request["Arguments"].items()
        if name.startswith("--AIRFLOW_ML_VALUE_")
    }
    assert work["step"] == "orders"
    assert (work["extract"]["conn_id"], work["extract"]["kms_key_id"]) == ("shop", "key")
    assert work["extract"]["query"] == SHOP["query"]
    assert work["extract"]["requirements"] == []

    def value(placeholder):
        return values[f"--{placeholder['$value']}"], placeholder["type"]

    assert value(work["extract"]["parameters"]["shop"]) == (
        Text.of("=", Text.of(Parameter("number", 7))),
        "integer",
    )
    assert value(work["extract"]["defaults"]["data_interval_end"]) == (
        Text.of("=", Run.INTERVAL_END),
        "string",
    )
    assert value(work["extract"]["output"]) == (Text.of("=", Output("orders", "output")), "string")
    assert value(work["extract"]["history"]) == (Text.of("=", History("orders")), "string")
    assert all(isinstance(one, Text) and one.parts[0] == "=" for one in values.values())


def test_the_job_remembers_the_extract():
    node = job(image_uri=None)
    assert isinstance(node.work, Extract)
    assert (node.work.conn_id, node.work.job) == ("shop", {})
    assert node.outputs == {"output": Output("orders", "output")}
    assert node.report is None


@pytest.mark.parametrize(
    ("on", "own", "expected"),
    [
        (GluePythonShell(role_arn="a"), "b", "a"),
        (GluePythonShell(), "b", "b"),
        (GluePythonShell(), None, ROLE),
    ],
)
def test_whose_role_it_has(on, own, expected):
    assert job(on=on, role_arn=own).request["Definition"]["Role"] == expected


def test_the_users_version_of_a_package_counts():
    node = job(on=GluePythonShell(job_name="x"), requirements=("PyArrow >=21", "adbc_driver[x]==1"))
    assert node.request["JobName"] == "x"
    assert node.request["Arguments"]["--additional-python-modules"] == (
        "boto3==1.42.97,PyArrow >=21,adbc_driver[x]==1"
    )


def test_a_fallback_and_what_follows_stay():
    notify = Notify("tell", topic_arn="arn:aws:sns:eu-west-1:123456789012:t", message="failed")
    node = job(fallback=[notify])
    assert [one.name for one in node.fallback] == ["tell"]
    assert node.work.fallback == ()


def mapped(items):
    parameters = {"shop": Item("shops", ("number",))}
    step = SqlExtract("orders", **{**SHOP, "parameters": parameters}, on=GluePythonShell())
    return build(
        Pipeline("p", [Map("shops", items=items, body=[step])], root="s3://lake"),
        Account(role_arn=ROLE),
    )


def test_an_item_keeps_its_type():
    ((node,),) = (one.body for one in mapped([{"number": 1}, {"number": 2}]).nodes)
    assert work_of(node)["extract"]["parameters"]["shop"]["type"] == "integer"


def test_an_item_of_several_types_is_refused():
    with pytest.raises(PipelineError, match=r"step 'orders'.*\n.*the item\.number of map 'shops'"):
        mapped([{"number": 1}, {"number": "two"}])
