from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_ml_provider.aws.check import plan_problems
from airflow_ml_provider.pipeline.account import Account
from airflow_ml_provider.pipeline.conditions import Comparison
from airflow_ml_provider.pipeline.step import Report, Retry
from airflow_ml_provider.pipeline.values import (
    Code,
    History,
    Item,
    JobField,
    Output,
    Parameter,
    Run,
    Text,
    Token,
)
from airflow_ml_provider.plan.code import staged
from airflow_ml_provider.plan.nodes import Call, Choice, Extract, Job, Map, Plan, Resource
from airflow_ml_provider.targets.worker import with_worker_jobs, worker_nodes

ROLE = "arn:aws:iam::123456789012:role/ml-jobs"
ACCOUNT = Account(
    role_arn=ROLE,
    kms_key_id="key",
    subnets=("subnet-1",),
    security_group_ids=("sg-1",),
    tags={"team": "ml"},
    worker_image_uri="worker-image",
)
VPC = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
TELL = Call(
    name="tell",
    retry=(),
    service="sns",
    action="publish",
    request={"TopicArn": "arn:aws:sns:us-east-1:123456789012:ml", "Message": Run.DATE},
)
EXTRACT = Extract(
    name="flights",
    after=("before",),
    retry=(Retry(attempts=3),),
    fallback=(TELL,),
    conn_id="warehouse",
    query="select * from flights where day = :run_date and delay > :delay",
    table=None,
    parameters={"run_date": Run.DATE, "delay": Parameter("delay", 10)},
    columns={"delay": "int64"},
    output=Output("flights", "output"),
    on_empty="fail",
    history=History("flights"),
    partitions=2,
    partition_by="delay",
    watermark="id",
    watermark_delay_seconds=5,
    checks=({"check": "row_count", "minimum": Parameter("least", 1)},),
    kms_key_id="key",
    timeout_seconds=1200,
    requirements=("psycopg2-binary",),
    job={
        "RoleArn": "",
        "AppSpecification": {"ImageUri": "own-image"},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
            }
        },
        "Environment": {"LANG": "C"},
    },
)
GLUE = Job(
    name="daily",
    retry=(Retry(),),
    kind="glue",
    request={
        "JobName": "daily",
        "Definition": {"Role": ROLE, "Command": {"Name": "glueetl"}},
        "Arguments": {"--scriptLocation": Code(("jobs/daily.py",), "file")},
    },
    timeout_seconds=3600,
    outputs={"window": Output("daily", "window")},
)
PROCESSING = Job(
    name="features",
    retry=(),
    kind="sagemaker_processing",
    request={
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "features-image"},
        "NetworkConfig": {"EnableNetworkIsolation": True, "VpcConfig": VPC},
        "Tags": [{"Key": "a", "Value": "b"}],
    },
    timeout_seconds=60,
)


def plan(*nodes):
    return Plan(
        name="p",
        root="s3://lake/ml",
        folder=Path(),
        keyed_by="interval",
        parameters=(),
        nodes=nodes,
    )


def lowered(node, target="sagemaker", account=ACCOUNT):
    made, findings = with_worker_jobs(plan(node), target, account)
    (job,) = made.nodes
    return job, findings


def step_of(job):
    """Read the step file of a job that was made."""
    inputs = {one["InputName"]: one["S3Input"] for one in job.request["ProcessingInputs"]}
    ((name, text),) = inputs["step"]["S3Uri"].texts
    assert name == "step.json"
    return json.loads(text)


def test_airflow_does_all_by_itself():
    whole = plan(EXTRACT, GLUE)
    assert with_worker_jobs(whole, "airflow", ACCOUNT) == (whole, [])


def test_each_target_has_its_own_nodes():
    model = replace(TELL, name="model", service="sagemaker", action="create_model")
    package = replace(TELL, name="package", service="sagemaker", action="create_model_package")
    whole = plan(EXTRACT, GLUE, model, package, PROCESSING)
    names = {
        target: [node.name for node in worker_nodes(whole, target)]
        for target in ("airflow", "step-functions", "sagemaker")
    }
    assert names == {
        "airflow": [],
        "step-functions": ["flights"],
        "sagemaker": ["flights", "tell", "daily"],
    }


def test_an_extract_becomes_a_processing_job():
    job, findings = lowered(EXTRACT, "step-functions")
    request = dict(job.request)
    inputs = request.pop("ProcessingInputs")
    assert request == {
        "RoleArn": ROLE,
        "AppSpecification": {
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/worker/run.py"],
            "ContainerArguments": [
                "/opt/ml/processing/input/step/step.json",
                "/opt/ml/output/message",
            ],
            "ImageUri": "own-image",
        },
        "ProcessingResources": EXTRACT.job["ProcessingResources"],
        "StoppingCondition": {"MaxRuntimeInSeconds": 1200},
        "NetworkConfig": {"VpcConfig": VPC},
        "Tags": [{"Key": "team", "Value": "ml"}],
        "Environment": {
            "LANG": "C",
            "AIRFLOW_ML_VALUE_1": Run.ID,
            "AIRFLOW_ML_VALUE_2": Text.of(Parameter("delay", 10)),
            "AIRFLOW_ML_VALUE_3": Run.DATE,
            "AIRFLOW_ML_VALUE_4": Text.of(Parameter("least", 1)),
            "AIRFLOW_ML_VALUE_5": History("flights"),
            "AIRFLOW_ML_VALUE_6": Run.KEY,
            "AIRFLOW_ML_VALUE_7": Output("flights", "output"),
        },
    }
    assert [(one["InputName"], one["S3Input"]["LocalPath"]) for one in inputs] == [
        ("worker", "/opt/ml/processing/input/worker"),
        ("step", "/opt/ml/processing/input/step"),
    ]
    assert step_of(job) == {
        "step": "flights",
        "identity": ["p", "flights", {"$value": "AIRFLOW_ML_VALUE_1", "type": "string"}],
        "extract": {
            "conn_id": "warehouse",
            "query": EXTRACT.query,
            "table": None,
            "parameters": {"delay": {"$value": "AIRFLOW_ML_VALUE_2", "type": "integer"}},
            "defaults": {"run_date": {"$value": "AIRFLOW_ML_VALUE_3", "type": "string"}},
            "columns": {"delay": "int64"},
            "partitions": 2,
            "partition_by": "delay",
            "watermark": "id",
            "watermark_delay_seconds": 5,
            "on_drift": "fail",
            "checks": [
                {
                    "check": "row_count",
                    "minimum": {"$value": "AIRFLOW_ML_VALUE_4", "type": "integer"},
                }
            ],
            "memory_mb": 300,
            "history": {"$value": "AIRFLOW_ML_VALUE_5", "type": "string"},
            "run_key": {"$value": "AIRFLOW_ML_VALUE_6", "type": "string"},
            "output": {"$value": "AIRFLOW_ML_VALUE_7", "type": "string"},
            "on_empty": "fail",
            "kms_key_id": "key",
            "requirements": ["psycopg2-binary"],
        },
    }
    assert (job.name, job.kind, job.after) == ("flights", "sagemaker_processing", ("before",))
    assert (job.retry, job.timeout_seconds) == (EXTRACT.retry, 1200)
    assert job.outputs == {"output": Output("flights", "output")}
    assert job.fallback == (TELL,)
    assert job.work == replace(EXTRACT, fallback=())
    ((step, feature, verdict, how),) = [
        (one.step, one.feature, one.verdict, one.how) for one in findings
    ]
    assert (step, feature, verdict) == ("flights", "extract", "lowered")
    assert how == "a processing job on ml.m5.xlarge runs the query (own-image)"


def test_a_glue_run_becomes_a_processing_job():
    job, (finding,) = lowered(GLUE)
    assert job.request["AppSpecification"]["ImageUri"] == "worker-image"
    # The run's own limit ends it first, and it may have to queue.
    assert job.request["StoppingCondition"] == {"MaxRuntimeInSeconds": 5400}
    assert job.timeout_seconds == 3600
    assert job.outputs == GLUE.outputs
    assert step_of(job)["glue"] == {
        "request": {
            "JobName": "daily",
            "Definition": {"Role": ROLE, "Command": {"Name": "glueetl"}},
            "Arguments": {"--scriptLocation": {"$value": "AIRFLOW_ML_VALUE_2", "type": "string"}},
        },
        "seconds": 5280,
    }
    assert "ProcessingOutputConfig" not in job.request
    assert (finding.feature, finding.how) == (
        "glue job",
        "a processing job on ml.t3.medium starts the Glue run and waits for it (worker-image)",
    )


def test_a_glue_run_is_not_cached():
    job, (_, finding) = lowered(replace(GLUE, cache="P7D"))
    assert job.cache is None
    assert (finding.feature, finding.verdict) == ("cache", "lowered")


def test_the_report_of_a_glue_run_is_an_output_that_can_be_read():
    node = replace(GLUE, report=Report("window", "report.json"))
    job, _ = lowered(node)
    assert job.report == node.report
    (output,) = job.request["ProcessingOutputConfig"]["Outputs"]
    assert output["OutputName"] == "window"
    assert output["S3Output"]["S3Uri"] == Output("daily", "window")


def test_a_call_becomes_a_processing_job():
    group = {"ModelPackageGroupName": "flights"}
    resource = Resource(describe="describe_it", key=group, create="create_it", request=group)
    request = {"ClientToken": Token()}
    node = replace(TELL, request=request, resource=resource, creates=True)
    job, (finding,) = lowered(node)
    assert step_of(job)["call"] == {
        "service": "sns",
        "action": "publish",
        "request": {"ClientToken": {"$token": ""}},
        "resource": {
            "describe": "describe_it",
            "key": group,
            "create": "create_it",
            "request": group,
        },
        "creates": True,
    }
    assert job.request["StoppingCondition"] == {"MaxRuntimeInSeconds": 900}
    assert job.timeout_seconds == 900
    assert job.outputs == {}
    assert (finding.feature, finding.verdict) == ("AWS call", "lowered")
    assert "calls sns publish" in finding.how


def test_all_blocks_are_reached():
    inner = replace(EXTRACT, name="inner", fallback=())
    when = Comparison(">", Parameter("depth", 1), 0)
    whole = plan(
        Choice(name="gate", when=when, then=(replace(inner, name="then"),), otherwise=(inner,)),
        Map(name="each", items=("a", "b"), body=(replace(inner, name="body"),)),
        EXTRACT,
    )
    made, findings = with_worker_jobs(whole, "sagemaker", ACCOUNT)
    assert {node.name for node in made.all_nodes() if isinstance(node, Job)} == {
        *("then", "inner", "body", "flights", "tell"),
    }
    assert [finding.step for finding in findings] == ["then", "inner", "body", "flights", "tell"]
    assert len({one.texts for one in _modules(made)}) == 1


def _modules(made):
    for node in made.all_nodes():
        if isinstance(node, Job):
            yield node.request["ProcessingInputs"][0]["S3Input"]["S3Uri"]


def test_the_items_of_a_map_are_told_apart():
    node = replace(GLUE, request={"JobName": "daily", "Arguments": {"--x": Item("each")}})
    body = Map(name="each", items=(1, 2), body=(node,))
    made, _ = with_worker_jobs(plan(body), "sagemaker", ACCOUNT)
    (job,) = made.nodes[0].body
    assert job.request["Environment"] == {
        "AIRFLOW_ML_VALUE_1": Run.ID,
        "AIRFLOW_ML_VALUE_2": Output("daily", "run"),
        "AIRFLOW_ML_VALUE_3": Text.of(Item("each")),
    }
    assert len(step_of(job)["identity"]) == 4


@pytest.mark.parametrize(
    ("nodes", "account", "image"),
    [
        ((GLUE, EXTRACT, PROCESSING), ACCOUNT, "worker-image"),
        ((GLUE, PROCESSING, EXTRACT), None, "own-image"),
        ((GLUE, PROCESSING), None, "features-image"),
        ((replace(EXTRACT, name="daily", job={}), EXTRACT), None, "own-image"),
        ((replace(EXTRACT, name="daily", job={}), EXTRACT), ACCOUNT, "worker-image"),
    ],
)
def test_the_image_is_the_nearest_there_is(nodes, account, image):
    made, _ = with_worker_jobs(plan(*nodes), "sagemaker", account)
    assert made.nodes[0].name == "daily"
    assert made.nodes[0].request["AppSpecification"]["ImageUri"] == image


def test_without_an_account_a_job_of_the_plan_is_the_pattern():
    made, _ = with_worker_jobs(plan(GLUE, PROCESSING), "sagemaker")
    request = made.nodes[0].request
    assert request["RoleArn"] == ROLE
    assert request["NetworkConfig"] == {"VpcConfig": VPC}
    assert request["Tags"] == [{"Key": "a", "Value": "b"}]


def refusals(*nodes, target="sagemaker", account=ACCOUNT):
    _, findings = with_worker_jobs(plan(*nodes), target, account)
    return {(one.step, one.feature): one.how for one in findings if one.verdict == "refused"}


def test_a_missing_image_is_refused():
    no_image = replace(ACCOUNT, worker_image_uri=None)
    nodes = (replace(EXTRACT, job={}, fallback=()), GLUE)
    said = "it runs in a processing job, whose image is missing; "
    assert refusals(*nodes, account=no_image) == {
        ("flights", "extract"): f"{said}give SqlExtract(image_uri=...) or configure "
        "`worker_image_uri`",
        ("daily", "glue job"): f"{said}configure `worker_image_uri`",
    }


def test_the_image_of_a_processing_job_is_none_for_an_extract():
    node = replace(EXTRACT, job={}, fallback=())
    assert ("flights", "extract") in refusals(node, PROCESSING, account=None)


def test_skipping_what_follows_is_refused():
    node = replace(EXTRACT, on_empty="skip", fallback=())
    assert refusals(node) == {
        ("flights", "extract"): "on_empty='skip' would have to skip what follows; give 'continue' "
        "or 'fail'"
    }


def test_values_that_are_no_variables_are_refused():
    body = Map(name="each", items=({"a": 1},), body=(replace(TELL, request={"x": Item("each")}),))
    assert refusals(body) == {
        ("tell", "AWS call"): "the item of map 'each' is not always of one type: a string, a "
        "number or a boolean; a processing job gets it as a variable"
    }


def test_the_role_of_the_glue_run_must_be_there_too():
    node = replace(GLUE, request={"JobName": "daily", "Definition": {"Role": ""}})
    assert refusals(node) == {
        ("daily", "glue job"): "role_arn: missing; give it to the step or configure `role_arn`"
    }


def test_fields_of_what_runs_inside_are_refused():
    time = JobField("daily", ("ExecutionTime",))
    when = Comparison(">", time, 60)
    tell = replace(TELL, request={"Message": Text.of("It took ", time)})
    nodes = (GLUE, Choice(name="slow", when=when, then=(tell,), otherwise=()))
    how = (
        "ExecutionTime of 'daily', which runs inside a processing job there; let a script that "
        "needs it ask AWS, or write it to an output"
    )
    assert refusals(*nodes) == {("slow", "job field"): how, ("tell", "job field"): how}
    assert refusals(*nodes, target="step-functions") == {}


def test_aws_takes_the_requests(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "daily.py").write_text("print()")
    whole = replace(plan(EXTRACT, GLUE, replace(TELL, name="last")), folder=tmp_path)
    made, _ = with_worker_jobs(whole, "sagemaker", ACCOUNT)
    made, objects = staged(made)
    assert plan_problems(made) == []
    assert sum(key.endswith("/airflow_ml_provider/worker/main.py") for key in objects) == 1
    assert sum(key.endswith("/step.json") for key in objects) == 4
