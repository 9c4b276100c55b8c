# ruff: noqa: N803 - the arguments have AWS's own names
from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.aws.deployment import deploy, deployed_definition
from airflow_ml_provider.pipeline import Account, Pipeline, Processing
from airflow_ml_provider.targets.compile import compile_pipeline

ROLE = "arn:aws:iam::123456789012:role/runner"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:"
PIPELINE = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/"


def refused(code):
    return ClientError({"Error": {"Code": code, "Message": code}}, "call")


class Aws:
    """S3, Step Functions and SageMaker as far as a deployment asks them."""

    def __init__(self):
        self.objects, self.machines, self.pipelines = {}, {}, {}
        self.roles = []
        self.error = None

    def client(self, service):
        assert service in {"s3", "stepfunctions", "sagemaker"}
        return self

    def head_object(self, *, Bucket, Key):
        if (Bucket, Key) not in self.objects:
            raise refused("404")

    def put_object(self, *, Bucket, Key, Body):
        self.objects[Bucket, Key] = Body

    def get_paginator(self, name):
        assert name == "list_state_machines"
        return self

    def paginate(self):
        # Two pages, and a name of which ours is the beginning.
        yield {"stateMachines": [{"name": "p_q_r", "stateMachineArn": f"{MACHINE}p_q_r"}]}
        yield {
            "stateMachines": [{"name": n, "stateMachineArn": MACHINE + n} for n in self.machines]
        }

    def create_state_machine(self, *, name, definition, roleArn):
        assert name not in self.machines
        self.machines[name] = definition
        self.roles.append(roleArn)
        return {"stateMachineArn": MACHINE + name}

    def update_state_machine(self, *, stateMachineArn, definition, roleArn):
        self.machines[stateMachineArn.removeprefix(MACHINE)] = definition
        self.roles.append(roleArn)

    def describe_state_machine(self, *, stateMachineArn):
        return {"definition": self.machines[stateMachineArn.removeprefix(MACHINE)]}

    def update_pipeline(self, *, PipelineName, **definition):
        if self.error or PipelineName not in self.pipelines:
            raise self.error or refused("ResourceNotFound")
        return self.create_pipeline(PipelineName=PipelineName, **definition)

    def create_pipeline(self, *, PipelineName, PipelineDefinition, RoleArn):
        self.pipelines[PipelineName] = PipelineDefinition
        self.roles.append(RoleArn)
        return {"PipelineArn": PIPELINE + PipelineName}

    def describe_pipeline(self, *, PipelineName):
        if self.error or PipelineName not in self.pipelines:
            raise self.error or refused("ResourceNotFound")
        return {"PipelineDefinition": self.pipelines[PipelineName]}


@pytest.fixture
def aws():
    return Aws()


@pytest.fixture
def compiled(tmp_path):
    (tmp_path / "job.py").write_text("print(1)\n")

    def _compiled(target, image="image:1"):
        step = Processing("a", script="job.py", image_uri=image)
        pipeline = Pipeline("p_q", [step], root="s3://lake/ml", folder=tmp_path)
        return compile_pipeline(pipeline, target, Account(role_arn=ROLE))

    return _compiled


@pytest.mark.parametrize(
    ("target", "arn"),
    [("step-functions", f"{MACHINE}p_q"), ("sagemaker", f"{PIPELINE}p-q")],
)
def test_created_then_updated(aws, compiled, target, arn):
    assert deployed_definition(target, "p_q", aws.client) is None
    first, second = compiled(target), compiled(target, "image:2")
    assert deploy(first, ROLE, aws.client) == arn
    assert deployed_definition(target, "p_q", aws.client) == first.text
    assert deploy(second, ROLE, aws.client) == arn
    assert deployed_definition(target, "p_q", aws.client) == second.text
    assert aws.roles == [ROLE, ROLE]
    assert aws.objects == {("lake", f"ml/{key}"): body for key, body in first.code.items()}


def test_airflow_has_nothing_on_aws(aws, compiled):
    with pytest.raises(ValueError, match="p_q: airflow has no definitions on AWS"):
        deploy(compiled("airflow"), ROLE, aws.client)
    with pytest.raises(ValueError, match="it has no definitions on AWS; compare with --out"):
        deployed_definition("airflow", "p_q", aws.client)
    assert not aws.objects


def test_other_errors_are_not_taken_for_nothing_there(aws, compiled):
    aws.error = refused("AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        deployed_definition("sagemaker", "p_q", aws.client)
    with pytest.raises(ClientError, match="AccessDenied"):
        deploy(compiled("sagemaker"), ROLE, aws.client)
    assert not aws.pipelines
