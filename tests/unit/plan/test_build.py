from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import (
    Account,
    Parameter,
    Pipeline,
    PipelineError,
    Processing,
    RemoteJob,
    Run,
    SqlExtract,
)
from airflow_ml_provider.pipeline import Choice as Gate
from airflow_ml_provider.plan.build import build, job, without_role
from airflow_ml_provider.plan.nodes import Call, Choice, Extract, Job
from airflow_ml_provider.plan.place import Place

ROLE = "arn:aws:iam::123456789012:role/ml"


def test_the_order_follows_from_the_references(pipeline):
    plan = build(pipeline, Account(role_arn=ROLE))
    assert {node.name: node.after for node in plan.all_nodes()} == {
        "flights": (),
        "daily": ("flights",),
        "features": ("daily",),
        "train": ("features",),
        "evaluate": ("features", "train"),
        "good_enough": ("evaluate", "train"),
        "register": (),
        "tell_team": (),
    }
    assert (plan.name, plan.root, plan.keyed_by) == ("flight_delays", "s3://lake/ml", "interval")


def test_every_step_becomes_its_node(pipeline):
    nodes = {node.name: node for node in build(pipeline, Account(role_arn=ROLE)).all_nodes()}
    kinds = {name: node.kind for name, node in nodes.items() if isinstance(node, Job)}
    assert kinds == {
        "daily": "glue",
        "features": "sagemaker_processing",
        "train": "sagemaker_training",
        "evaluate": "sagemaker_processing",
    }
    assert isinstance(nodes["flights"], Extract)
    assert isinstance(nodes["good_enough"], Choice)
    assert isinstance(nodes["register"], Call)
    assert nodes["tell_team"].action == "publish"
    assert nodes["evaluate"].report.file == "evaluation.json"


def test_a_query_file_is_read_and_bound(pipeline):
    flights = build(pipeline, Account(role_arn=ROLE)).nodes[0]
    assert flights.query == "select * from flights where day = :run_date"
    assert flights.parameters == {
        "run_date": Run.DATE,
        "data_interval_start": Run.INTERVAL_START,
        "data_interval_end": Run.INTERVAL_END,
    }
    assert flights.on_empty == "continue"


def test_arms_depend_on_their_own_steps_only():
    first = RemoteJob("first", kind="glue", request={"JobName": "a"}, outputs=("o",))
    second = RemoteJob(
        "second", kind="glue", request={"JobName": "b", "Arguments": {"--x": first["o"]}}
    )
    outer = SqlExtract("outer", conn_id="d", table="t")
    third = RemoteJob("third", kind="glue", request={"JobName": "c", "Tags": outer.output})
    gate = Gate("gate", Parameter("x", 1) > 0, then=[first, second], otherwise=[third])
    plan = build(Pipeline("p", root="s3://lake", steps=[outer, gate]), Account(role_arn=ROLE))
    choice = plan.nodes[1]
    assert choice.after == ("outer",)
    assert [node.after for node in choice.then] == [(), ("first",)]
    assert [node.after for node in choice.otherwise] == [()]


def test_what_the_account_must_bring(pipeline, folder):
    without_root = Pipeline("p", steps=pipeline.steps, folder=folder)
    with pytest.raises(PipelineError) as caught:
        build(without_root)
    assert caught.value.problems == ("root: missing; give Pipeline(root=...) or configure `root`",)
    assert build(without_root, Account(role_arn=ROLE, root="s3://other/x/")).root == "s3://other/x"
    with pytest.raises(
        PipelineError, match="root: 's3://ab' is no S3 prefix; its bucket 'ab' must"
    ):
        build(without_root, Account(root="s3://ab"))
    assert without_role(build(pipeline)) == [
        "step 'daily': role_arn: missing; give it to the step or configure `role_arn`",
        "step 'features': role_arn: missing; give it to the step or configure `role_arn`",
        "step 'train': role_arn: missing; give it to the step or configure `role_arn`",
        "step 'evaluate': role_arn: missing; give it to the step or configure `role_arn`",
    ]
    assert without_role(build(pipeline, Account(role_arn=ROLE))) == []


def test_only_jobs_run_as_jobs():
    place = Place(Account(), "", {})
    with pytest.raises(TypeError, match="step 'a' is a SqlExtract, which runs as no remote job"):
        job(SqlExtract("a", conn_id="d", table="t"), place)


def test_given_outputs_replace_derived_ones():
    step = Processing("p", script="/x/p.py", image_uri="i", role_arn=ROLE, outputs=("o",))
    node = job(step, Place(Account(), "", {"o": "s3://lake/there/"}))
    (output,) = node.request["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"] == "s3://lake/there/"
    assert node.outputs == {"o": "s3://lake/there/"}
