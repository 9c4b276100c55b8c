from __future__ import annotations

from dataclasses import fields, replace

from airflow_ml_provider.pipeline import (
    Account,
    Approval,
    AwsCall,
    Choice,
    Fail,
    Item,
    LambdaCall,
    Map,
    Parameter,
    Pipeline,
    RegisterModel,
    Retry,
    RowCount,
    Run,
    SqlExtract,
    Training,
    Unique,
)
from airflow_ml_provider.pipeline.values import History
from airflow_ml_provider.plan import nodes
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.plan.extracts import extract_work

ACCOUNT = Account(
    role_arn="arn:aws:iam::123456789012:role/ml",
    subnets=("subnet-1",),
    security_group_ids=("sg-1",),
    tags={"team": "ml"},
)
EXTRACT_OPTIONS = {
    *("history", "partitions", "partition_by", "watermark", "watermark_delay_seconds"),
    *("on_drift", "checks", "memory_mb"),
}


def plan(*steps, **options):
    return build(Pipeline("p", steps, root="s3://lake", **options), ACCOUNT)


def call(name, **options):
    return AwsCall(name, "sns", "publish", {"Message": "m"}, **options)


def test_calls():
    retries = [Retry(1, errors=("job",)), Retry(2)]
    aws, function = plan(
        call("aws", overrides={"Subject": "s"}, creates=True, retry=retries),
        LambdaCall("fn", "f", {"n": Parameter("n", 1)}, timeout_seconds=30),
    ).nodes
    assert aws == nodes.Call(
        name="aws",
        service="sns",
        action="publish",
        request={"Message": "m", "Subject": "s"},
        retry=tuple(retries),
        creates=True,
    )
    assert function == nodes.Invoke(
        name="fn",
        function="f",
        payload={"n": Parameter("n", 1)},
        timeout_seconds=30,
        retry=(Retry(),),
    )


def test_blocks_inside_nodes():
    first = call("first")
    main = call("main", fallback=[call("a"), call("b", after=call("a"))], after=first)
    each = Map("m", [{"x": 1}], [call("c"), Choice("gate", Parameter("p", 1) > 0, [call("d")])])
    made = plan(first, main, each, Fail("end", "no", after=[main, each]))
    named = {node.name: node for node in made.all_nodes()}
    assert list(named) == ["first", "main", "a", "b", "m", "c", "gate", "d", "end"]
    assert named["main"].after == ("first",)
    assert named["main"].fallback == (named["a"], named["b"])
    assert named["b"].after == ("a",)
    assert named["m"].items == ({"x": 1},)
    assert named["m"].body == (named["c"], named["gate"])
    assert named["end"] == nodes.Fail(name="end", after=("m", "main"), message="no")


def test_a_map_over_a_parameter_and_its_item():
    things = Parameter("things", ["a"])
    (each,) = plan(Map("m", things, [LambdaCall("fn", Item("m"))], concurrency=3)).nodes
    assert each.items == things
    assert each.concurrency == 3
    assert each.body[0].function == Item("m")


def test_an_approval_names_the_call_that_registers(folder):
    model = Training(
        "train", script="jobs/train.py", image_uri="image", inputs={"train": "s3://lake/train/"}
    )
    register = RegisterModel("register", model=model, group="g")
    made = plan(model, register, Approval("ok", register, queue_url="q"), folder=folder)
    assert made.nodes[2] == nodes.Approval(
        name="ok",
        after=("register",),
        model="register",
        queue_url="q",
        timeout_seconds=7 * 24 * 3600,
        poll_seconds=60,
    )


def test_the_options_of_an_extract():
    rows = SqlExtract(
        "rows",
        conn_id="db",
        table="t",
        partitions=4,
        partition_by="id",
        watermark="at",
        watermark_delay_seconds=60,
        on_drift="evolve",
        checks=[RowCount(minimum=Parameter("least", 1)), Unique("id")],
        memory_mb=500,
    )
    (node,) = plan(rows).nodes
    options = {name: getattr(node, name) for name in vars(node) if name in EXTRACT_OPTIONS}
    assert options == {
        "history": History("rows"),
        "partitions": 4,
        "partition_by": "id",
        "watermark": "at",
        "watermark_delay_seconds": 60,
        "on_drift": "evolve",
        "checks": (
            {"check": "row_count", "minimum": Parameter("least", 1)},
            {"check": "unique", "columns": ["id"]},
        ),
        "memory_mb": 500,
    }
    work = extract_work(replace(node, kms_key_id="key"))
    assert {name: work[name] for name in options} == {**options, "checks": list(node.checks)}
    assert (work["run_key"], work["kms_key_id"]) == (Run.KEY, "key")


def test_defaults_of_an_extract_are_the_same_everywhere():
    (node,) = plan(SqlExtract("rows", conn_id="db", table="t")).nodes
    defaults = {field.name: field.default for field in fields(nodes.Extract)}
    for name in EXTRACT_OPTIONS - {"history"}:
        assert getattr(node, name) == defaults[name]


def test_an_extract_brings_the_job_of_other_targets():
    rows = SqlExtract(
        "rows",
        conn_id="db",
        table="t",
        image_uri="image:1",
        requirements=("psycopg",),
        timeout_seconds=90,
        overrides={"StoppingCondition": {"MaxRuntimeInSeconds": 80}},
    )
    bare = SqlExtract("bare", conn_id="db", table="t", role_arn="arn:own")
    first, second = plan(rows, bare).nodes
    assert first.requirements == ("psycopg",)
    assert first.job == {
        "RoleArn": ACCOUNT.role_arn,
        "AppSpecification": {"ImageUri": "image:1"},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 80},
        "NetworkConfig": {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
        "Tags": [{"Key": "team", "Value": "ml"}],
    }
    assert "AppSpecification" not in second.job
    assert second.job["RoleArn"] == "arn:own"
