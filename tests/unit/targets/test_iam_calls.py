"""What an orchestrator calls for the nodes of a plan."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from iam_plans import (
    ACCOUNT,
    BUCKET,
    DEFINITION,
    NO_RETRY,
    ROLE,
    allowed,
    arn,
    call,
    each,
    emr,
    execution,
    extract,
    glue,
    made,
    model,
    processing,
    register,
    training,
    transform,
)

from airflow_ml_provider.pipeline.conditions import Comparison
from airflow_ml_provider.pipeline.values import (
    Item,
    Metric,
    Parameter,
    Run,
    Text,
)
from airflow_ml_provider.plan.nodes import (
    Approval,
    Choice,
    Fail,
    Invoke,
    Job,
    Map,
)


def test_a_passed_role_is_bound_to_its_service() -> None:
    policy = made("airflow", training(), glue(Definition=DEFINITION))["execution"]["policy"]
    passed = {
        resource: statement["Condition"]
        for statement in policy["Statement"]
        for resource in statement["Resource"]
        if statement["Action"] == ["iam:PassRole"]
    }
    bound = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert passed[ROLE] == bound
    glue_role = f"arn:aws:iam::{ACCOUNT}:role/glue-jobs"
    assert passed[glue_role] == {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}}


def test_one_role_for_two_services_is_one_statement() -> None:
    policy = made("step-functions", training(), emr())["execution"]["policy"]
    (passing,) = [one for one in policy["Statement"] if one["Action"] == ["iam:PassRole"]]
    services = ["emr-serverless.amazonaws.com", "sagemaker.amazonaws.com"]
    assert passing["Condition"]["StringEquals"]["iam:PassedToService"] == services


def test_long_names_are_cut_as_the_target_cuts_them() -> None:
    job = Job(**{**vars(training()), "name": "train_the_model_of_all_flights_of_a_year"})
    for target, name in (
        ("airflow", r"flights-train-the-model-of-all-flights-of\*"),
        ("step-functions", r"flights-train-the-[a-z-]*-[0-9a-f]{4}-\*"),
    ):
        (resource,) = {
            resource
            for action, resource in execution(target, job)
            if action == "sagemaker:CreateTrainingJob"
        }
        assert re.fullmatch(name, resource.rpartition("/")[2])


def test_sagemaker_may_write_names_in_lower_case() -> None:
    found = execution("airflow", training(), name="Flights")
    created = {resource for action, resource in found if action == "sagemaker:CreateTrainingJob"}
    assert created == {
        arn("sagemaker", "training-job/Flights-train-*"),
        arn("sagemaker", "training-job/flights-train-*"),
    }


def test_reports_are_read_where_they_are_needed() -> None:
    report = ("s3:GetObject", f"{BUCKET}/ml/flights/*/evaluate/report/evaluation.json")
    gate = Choice(
        name="gate",
        when=Comparison(">", Metric("evaluate", ("auc",)), 0.5),
        then=(Fail(name="stop", message="no"),),
        otherwise=(),
    )
    assert report in execution("airflow", processing())
    for target in ("step-functions", "sagemaker"):
        assert report not in execution(target, training(), processing())
        assert report in execution(target, training(), processing(), gate)


def test_an_extract_is_written_by_airflows_worker() -> None:
    output, history = f"{BUCKET}/ml/flights/*/raw/output/*", f"{BUCKET}/ml/flights/_history/raw"
    expected = {
        *each("s3", "AbortMultipartUpload DeleteObject GetObject PutObject", output),
        *each("s3", "ListBucket ListBucketMultipartUploads", BUCKET),
        *each("s3", "GetObject PutObject", f"{history}.json", f"{BUCKET}/ml/code/*"),
    }
    assert execution("airflow", extract()) == expected
    windows = each("s3", "GetObject PutObject", f"{history}.json.runs/*.json")
    assert execution("airflow", extract(watermark="id")) == expected | windows
    key = each("kms", "Decrypt GenerateDataKey", arn("kms", "key/k1"))
    assert execution("airflow", extract(kms_key_id="k1")) == expected | key
    by_hand = {one for one in expected if not one[1].startswith(history)}
    assert execution("airflow", replace(extract(), history=None)) == by_hand


def test_an_extract_lists_its_own_places_alone() -> None:
    policy = made("airflow", extract(watermark="id"))["execution"]["policy"]
    (listing,) = [one for one in policy["Statement"] if one["Action"] == ["s3:ListBucket"]]
    assert listing["Condition"]["StringLike"]["s3:prefix"] == [
        "ml/flights/*/raw/output/*",
        "ml/flights/_history/raw.json",
        "ml/flights/_history/raw.json.runs/*.json",
    ]


def test_an_extract_in_a_map_has_a_history_for_each_item() -> None:
    few = Map(name="days", items=("a",), body=(extract(),))
    history = f"{BUCKET}/ml/flights/_history/raw/*.json"
    assert each("s3", "GetObject PutObject", history) <= execution("airflow", few)


def test_models_and_their_transform_jobs() -> None:
    found = execution("airflow", model(), transform())
    assert ("sagemaker:CreateModel", arn("sagemaker", "model/flights-model-*")) in found
    assert ("iam:PassRole", f"{ROLE}-model") in found
    found = execution("sagemaker", model())
    assert (
        each("sagemaker", "CreateModel DescribeModel", arn("sagemaker", "model/pipelines-*"))
        <= found
    )
    data = allowed(made("airflow", model(), transform())["jobs"][f"{ROLE}-model"]["policy"])
    assert ("s3:GetObject", f"{BUCKET}/ml/flights/*/train/model/*") in data
    assert ("s3:GetObject", f"{BUCKET}/ml/flights/*/features/test/*") in data
    assert ("s3:PutObject", f"{BUCKET}/ml/flights/*/predict/output/*") in data
    assert ("ecr:BatchGetImage", arn("ecr", "repository/team/model")) in data


def test_registering_and_approving() -> None:
    approval = Approval(
        name="approve",
        model="register",
        queue_url=f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/approvals",
        timeout_seconds=60,
        poll_seconds=60,
    )
    group = arn("sagemaker", "model-package-group/flights")
    package = arn("sagemaker", "model-package/flights/*")
    registering = {
        *each("sagemaker", "CreateModelPackage", group, package),
        *each("sagemaker", "CreateModelPackageGroup DescribeModelPackageGroup", group),
    }
    described = ("sagemaker:DescribeModelPackage", package)
    asked = ("sqs:SendMessage", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:approvals")
    code = each("s3", "GetObject PutObject", f"{BUCKET}/ml/code/*")
    assert execution("airflow", register(), approval) == {*registering, described, *code}
    assert execution("step-functions", register(), approval) == {*registering, asked}
    assert execution("sagemaker", register(), approval) == {*registering, described, asked}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (
            call("sns", "publish", TopicArn=arn("sns", "t"), Message="m"),
            [("sns:Publish", arn("sns", "t"))],
        ),
        (
            call("sns", "publish", TopicArn=Parameter("topic", "t"), Message="m"),
            [("sns:Publish", arn("sns", "*"))],
        ),
        (
            call("sqs", "send_message", QueueUrl=Parameter("queue", "q")),
            [("sqs:SendMessage", arn("sqs", "*"))],
        ),
        (
            call("s3", "head_object", Bucket="b", Key=Text("a/{day}/x", day=Run.DATE)),
            [("s3:GetObject", "arn:aws:s3:::b/a/*/x")],
        ),
        (call("s3", "list_objects_v2", Bucket="b"), [("s3:ListBucket", "arn:aws:s3:::b")]),
        (call("s3", "list_buckets"), [("s3:ListBuckets", "*")]),
        (
            call("dynamodb", "put_item", TableName="runs", Item={}),
            [("dynamodb:PutItem", arn("dynamodb", "table/runs"))],
        ),
        (
            call("lambda", "invoke", FunctionName=arn("lambda", "function:f")),
            [("lambda:InvokeFunction", arn("lambda", "function:f"))],
        ),
        (
            call("sagemaker", "create_model", ModelName="fixed", ExecutionRoleArn=ROLE),
            [("iam:PassRole", ROLE), ("sagemaker:CreateModel", arn("sagemaker", "model/fixed"))],
        ),
        (
            call(
                "stepfunctions", "start_execution", stateMachineArn=arn("states", "stateMachine:m")
            ),
            [("states:StartExecution", arn("states", "stateMachine:m"))],
        ),
        (
            call("athena", "start_query_execution", QueryString="q"),
            [("athena:StartQueryExecution", "*")],
        ),
        (call("sqs", "list_queues"), [("sqs:ListQueues", "*")]),
        (
            Invoke(name="f", function="check", payload={}, **NO_RETRY),
            [("lambda:InvokeFunction", arn("lambda", "function:check"))],
        ),
        (
            Invoke(name="f", function=arn("lambda", "function:check:live"), payload={}, **NO_RETRY),
            [("lambda:InvokeFunction", arn("lambda", "function:check:live"))],
        ),
    ],
)
def test_a_call_is_narrowed_to_what_it_names(one: Any, expected: list[tuple[str, str]]) -> None:
    assert sorted(execution("step-functions", one)) == expected


def test_a_map() -> None:
    body = (processing("score", request={"Environment": {"DAY": Item("days", ())}}),)
    few = Map(name="days", items=("a",), body=body)
    output = f"{BUCKET}/ml/flights/*/score/*/report/*"
    assert ("s3:PutObject", output) in allowed(made("airflow", few)["jobs"][ROLE]["policy"])
    many = Map(name="days", items=tuple(range(41)), body=body)
    machine = arn("states", "stateMachine:flights")
    runs = arn("states", "execution:flights/*")
    added = {
        ("states:StartExecution", machine),
        *each("states", "DescribeExecution StopExecution", runs),
    }
    for target, more in (("step-functions", added), ("sagemaker", set())):
        assert execution(target, training(), many) == execution(target, training(), few) | more


def test_fallbacks_and_arms_count() -> None:
    job = Job(**{**vars(training()), "fallback": (glue(),)})
    gate = Choice(name="gate", when=Comparison(">", 1, 2), then=(job,), otherwise=(emr(),))
    services = {action.partition(":")[0] for action, _ in execution("step-functions", gate)}
    assert services == {"emr-serverless", "events", "glue", "iam", "sagemaker"}
