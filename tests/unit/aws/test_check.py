from __future__ import annotations

from airflow_ml_provider.aws.check import plan_problems
from airflow_ml_provider.pipeline import Account, Notify, Parameter, Pipeline, RemoteJob
from airflow_ml_provider.plan.build import build

ACCOUNT = Account(role_arn="arn:aws:iam::123456789012:role/ml")
TOPIC = "arn:aws:sns:us-east-1:123456789012:ml"


def found(*steps):
    return plan_problems(build(Pipeline("p", root="s3://lake", steps=steps), ACCOUNT))


def test_a_good_pipeline_has_no_problems(pipeline):
    assert plan_problems(build(pipeline, ACCOUNT)) == []


def test_a_missing_role_is_named(pipeline):
    problems = plan_problems(build(pipeline))
    assert (
        "step 'train': role_arn: missing; give it to the step or configure `role_arn`" in problems
    )


def test_unknown_fields_and_kinds_are_named_with_their_step():
    text = "\n".join(
        found(
            RemoteJob("a", kind="glu", request={"x": 1}),
            RemoteJob("b", kind="sagemaker_training", request={"Foo": 1}),
            Notify("c", topic_arn=TOPIC, message="m", overrides={"Bar": 2}),
        )
    )
    assert "step 'a': kind: No kind of job is called 'glu'" in text
    assert "step 'b': Missing required parameter in input: \"RoleArn\"" in text
    assert "step 'b': Unknown parameter in input: \"Foo\"" in text
    assert "step 'c': Publish: Unknown parameter in input: \"Bar\"" in text


def test_a_parameter_is_checked_by_its_default():
    request = {"JobName": "j", "NumberOfWorkers": Parameter("workers", 2)}
    assert found(RemoteJob("a", kind="glue", request=request)) == []
    request = {"JobName": "j", "NumberOfWorkers": Parameter("workers", "many")}
    (problem,) = found(RemoteJob("a", kind="glue", request=request))
    assert "NumberOfWorkers" in problem
    assert "many" in problem
