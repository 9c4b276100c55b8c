"""One template for a pipeline on a target, held against CloudFormation's own schemas."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.values import Output, Parameter
from airflow_ml_provider.plan.nodes import Approval, Call, Fail, Job, Plan
from airflow_ml_provider.targets import approval_relay, starter
from airflow_ml_provider.targets.cloudformation import template

ROLE = "arn:aws:iam::123456789012:role/service/jobs"
QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/approvals"
MACHINE = {"StartAt": "end", "States": {"end": {"Type": "Succeed"}}}
PIPELINE = {
    "Version": "2020-12-01",
    "Parameters": [
        {"Name": "run_key", "Type": "String"},
        {"Name": "depth", "Type": "Integer", "DefaultValue": 6},
    ],
    "Steps": [],
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "airflow": {},
    "step-functions": MACHINE,
    "sagemaker": PIPELINE,
}
TARGETS = tuple(DOCUMENTS)


def training(name: str = "train", **request: Any) -> Job:
    return Job(
        name=name,
        kind="sagemaker_training",
        request={
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": Output(name, "model")},
            **request,
        },
        retry=(),
        timeout_seconds=60,
        outputs={"model": Output(name, "model")},
    )


REGISTER = Call(
    name="register",
    service="sagemaker",
    action="create_model_package",
    request={"ModelPackageGroupName": "flights"},
    retry=(),
)
APPROVAL = Approval(
    name="approve", model="register", queue_url=QUEUE, timeout_seconds=3600, poll_seconds=60
)


def plan(*nodes: Any, name: str = "flight_delays") -> Plan:
    return Plan(
        name=name,
        root="s3://lake/ml",
        folder=Path(),
        keyed_by="interval",
        parameters=(),
        nodes=nodes or (training(),),
    )


def made(target: str, *nodes: Any, schedule: Any = "@daily") -> dict[str, Any]:
    return template(plan(*nodes), target, DOCUMENTS[target], schedule=schedule)


def of_type(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: one["Properties"]
        for name, one in document["Resources"].items()
        if one["Type"] == f"AWS::{kind}"
    }


def problems(document: dict[str, Any]) -> list[Any]:
    found: list[Any] = lint(json.dumps(document), config=ManualArgs(regions=["eu-central-1"]))
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_cloudformation_takes_it(target: str) -> None:
    assert problems(made(target, training(), REGISTER, APPROVAL)) == []


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_plan_gives_the_same_bytes(target: str) -> None:
    first, second = (json.dumps(made(target, training(), REGISTER, APPROVAL)) for _ in range(2))
    assert first == second


def test_a_state_machine() -> None:
    document = made("step-functions")
    (machine,) = of_type(document, "StepFunctions::StateMachine").values()
    assert json.loads(machine["DefinitionString"]) == MACHINE
    assert machine["StateMachineName"] == "flight_delays"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    (schedule,) = of_type(document, "Scheduler::Schedule").values()
    assert schedule["ScheduleExpression"] == "cron(0 0 * * ? *)"
    assert json.loads(schedule["Target"]["Input"]) == {"time": "<aws.scheduler.scheduled-time>"}
    (starting,) = of_type(document, "Lambda::Function").values()
    assert starting["Environment"]["Variables"] == {
        "SECONDS": "86400",
        "MONTHS": "0",
        "STATE_MACHINE": {"Ref": "StateMachine"},
    }
    alarms = of_type(document, "CloudWatch::Alarm")
    assert alarms["Alarm"]["Namespace"] == "AWS/States"
    assert alarms["StarterAlarm"]["Dimensions"] == [
        {"Name": "FunctionName", "Value": {"Ref": "Starter"}}
    ]


def test_a_sagemaker_pipeline() -> None:
    document = made("sagemaker", schedule="0 0 1 * *")
    (pipeline,) = of_type(document, "SageMaker::Pipeline").values()
    assert pipeline["PipelineName"] == "flight-delays"
    assert json.loads(pipeline["PipelineDefinition"]["PipelineDefinitionBody"]) == PIPELINE
    (starting,) = of_type(document, "Lambda::Function").values()
    assert starting["Environment"]["Variables"] == {
        "SECONDS": "0",
        "MONTHS": "1",
        "PIPELINE": {"Ref": "Pipeline"},
        "PARAMETERS": "run_key",
    }
    assert of_type(document, "CloudWatch::Alarm")["Alarm"]["MetricName"] == "ExecutionFailed"


def test_airflow_gets_its_workers_policy_alone() -> None:
    document = made("airflow")
    kinds = {one["Type"] for one in document["Resources"].values()}
    assert kinds == {"AWS::IAM::ManagedPolicy"}
    attached = document["Resources"]["WorkerPolicy1"]["Properties"]["Roles"]
    assert attached == [{"Ref": "WorkerRoleName"}]


@pytest.mark.parametrize("target", ["step-functions", "sagemaker"])
def test_without_a_schedule_nothing_starts(target: str) -> None:
    document = made(target, schedule=None)
    assert not of_type(document, "Lambda::Function")
    assert not of_type(document, "Scheduler::Schedule")


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_of_an_account_is_fixed_but_what_the_plan_names(target: str) -> None:
    for name, one in made(target).get("Resources", {}).items():
        for statement in one["Properties"].get("PolicyDocument", {}).get("Statement", []):
            for resource in statement["Resource"]:
                named = resource in ("*", ROLE) or "Fn::Sub" in resource
                assert named, (name, resource)


def test_the_jobs_policies_are_attached_on_demand() -> None:
    document = made("step-functions")
    assert document["Parameters"]["AttachJobPolicies"]["Default"] == "false"
    roles = document["Resources"]["JobRole1Policy1"]["Properties"]["Roles"]
    assert roles["Fn::If"][:2] == ["AttachesJobPolicies", ["jobs"]]


def test_a_pipeline_that_calls_nothing_needs_no_policy() -> None:
    document = made("step-functions", Fail(name="stop", message="no"), schedule=None)
    assert of_type(document, "IAM::ManagedPolicy") == {}
    assert of_type(document, "IAM::Role")["Role"]["ManagedPolicyArns"] == []


def test_an_approval_brings_its_relay() -> None:
    second = replace(APPROVAL, name="again", queue_url=f"{QUEUE}-2")
    document = made("step-functions", training(), REGISTER, APPROVAL, second, APPROVAL)
    assert "Relay" in of_type(document, "Lambda::Function")
    mappings = of_type(document, "Lambda::EventSourceMapping")
    queue = "arn:${AWS::Partition}:sqs:eu-central-1:123456789012:approvals"
    assert [one["EventSourceArn"]["Fn::If"][2] for one in mappings.values()] == [
        {"Fn::Sub": queue},
        {"Fn::Sub": f"{queue}-2"},
    ]
    queues = of_type(document, "SQS::Queue")
    assert [one["QueueName"] for one in queues.values()] == ["approvals", "approvals-2"]
    assert document["Resources"]["ApprovalQueue1"]["Condition"] == "CreatesApprovalQueue"
    seconds = of_type(document, "Lambda::Function")["Relay"]["Timeout"]
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    assert queues["ApprovalQueue1"]["VisibilityTimeout"] >= 6 * seconds


@pytest.mark.parametrize(
    ("approval", "message"),
    [
        (replace(APPROVAL, queue_url=Parameter("queue", QUEUE)), "queue_url: .* names no queue"),
        (replace(APPROVAL, queue_url=None), "queue_url: None names no queue"),
        (replace(APPROVAL, timeout_seconds=2_000_000), "2,000,000 is more than the 1,209,600"),
    ],
)
def test_an_approval_that_no_queue_can_serve_is_refused(approval: Approval, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        made("step-functions", REGISTER, approval)


@pytest.mark.parametrize(("module", "entry"), [(starter, "start"), (approval_relay, "answer")])
def test_a_functions_source_fits_into_a_template(module: Any, entry: str) -> None:
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert len(source) <= 4096
    assert callable(getattr(module, entry))


def test_a_schedule_that_aws_can_not_keep_is_refused() -> None:
    with pytest.raises(PipelineError, match="schedule: '\\*/7"):
        made("sagemaker", schedule="*/7 * * * *")


def test_a_policy_too_big_for_one_is_parted() -> None:
    jobs = [training(f"a_step_with_quite_a_long_name_{number}") for number in range(80)]
    document = made("airflow", *jobs)
    policies = of_type(document, "IAM::ManagedPolicy")
    assert len(policies) > 2
    whole = made("airflow", *jobs[:2])
    ids: list[str] = []
    for one in policies.values():
        text = json.dumps(one["PolicyDocument"], separators=(",", ":")).replace('{"Fn::Sub":', "")
        assert len(text) <= 6144 + 100
        ids += [statement["Sid"] for statement in one["PolicyDocument"]["Statement"]]
    assert len(set(ids)) == len(ids) - ids.count("ListPrefixes") + ("ListPrefixes" in ids)
    assert len(of_type(whole, "IAM::ManagedPolicy")) < len(policies)
    assert problems(document) == []


def test_a_role_that_could_not_hold_its_policies_is_refused() -> None:
    jobs = [training(f"a_step_with_quite_a_long_name_{number}") for number in range(600)]
    with pytest.raises(PipelineError, match="managed policies, a role takes 10"):
        made("airflow", *jobs)


def test_a_template_too_big_is_refused() -> None:
    states = {f"s{number}": {"Type": "Succeed"} for number in range(50_000)}
    with pytest.raises(PipelineError, match=r"template: it has [\d,]+ bytes"):
        template(plan(), "step-functions", {"StartAt": "s0", "States": states})
