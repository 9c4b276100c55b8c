"""The least that a pipeline's roles must be allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_ml_provider.jobs.registry import KINDS
from airflow_ml_provider.pipeline.conditions import Comparison
from airflow_ml_provider.pipeline.step import Report
from airflow_ml_provider.pipeline.values import (
    Dataset,
    Item,
    JobField,
    Metric,
    Output,
    Parameter,
    ResourceName,
    Run,
    Text,
)
from airflow_ml_provider.plan.nodes import (
    Approval,
    Call,
    Choice,
    Extract,
    Fail,
    Invoke,
    Job,
    Map,
    Plan,
    Resource,
)
from airflow_ml_provider.targets.iam import policies

ACCOUNT, REGION = "123456789012", "eu-central-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service/jobs"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/model:1"
TARGETS = ("airflow", "step-functions", "sagemaker")
NO_RETRY: dict[str, Any] = {"retry": (), "timeout_seconds": 60}
BUCKET = "arn:aws:s3:::lake"


def plan(*nodes: Any, name: str = "flights", parameters: Any = ()) -> Plan:
    return Plan(
        name=name,
        root="s3://lake/ml",
        folder=Path(),
        keyed_by="interval",
        parameters=parameters,
        nodes=nodes,
    )


def made(target: str, *nodes: Any, **options: Any) -> dict[str, Any]:
    return policies(plan(*nodes, **options), target, region=REGION, account_id=ACCOUNT)


def allowed(policy: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (action, resource)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def execution(target: str, *nodes: Any, **options: Any) -> set[tuple[str, str]]:
    return allowed(made(target, *nodes, **options)["execution"]["policy"])


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def each(service: str, actions: str, *resources: str) -> set[tuple[str, str]]:
    return {(f"{service}:{one}", resource) for one in actions.split() for resource in resources}


def training(**request: Any) -> Job:
    return Job(
        name="train",
        kind="sagemaker_training",
        request={
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": IMAGE},
            "InputDataConfig": [
                {"DataSource": {"S3DataSource": {"S3Uri": Output("features", "train")}}},
                {"DataSource": {"S3DataSource": {"S3Uri": Dataset("days")}}},
            ],
            "OutputDataConfig": {"S3OutputPath": Output("train", "model")},
            "HyperParameters": {
                "sagemaker_submit_directory": "s3://lake/ml/code/0af/source.tar.gz"
            },
            **request,
        },
        outputs={"model": Output("train", "model")},
        **NO_RETRY,
    )


def processing(name: str = "evaluate", **more: Any) -> Job:
    request = {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": IMAGE},
        "ProcessingInputs": [
            {"S3Input": {"S3Uri": JobField("train", ("ModelArtifacts", "S3ModelArtifacts"))}}
        ],
        "ProcessingOutputConfig": {
            "Outputs": [{"S3Output": {"S3Uri": Output(name, "report")}}],
        },
        **more.pop("request", {}),
    }
    return Job(
        name=name,
        kind="sagemaker_processing",
        request=request,
        outputs={"report": Output(name, "report")},
        report=Report("report", "evaluation.json"),
        **NO_RETRY,
        **more,
    )


def glue(**request: Any) -> Job:
    return Job(
        name="daily",
        kind="glue",
        request={
            "JobName": "flights-daily",
            "Arguments": {
                "--scriptLocation": "s3://lake/ml/code/0af/daily.py",
                "--raw": Output("raw", "output"),
                "--days": Dataset("days"),
                "--window": Output("daily", "window"),
                "--date": Run.DATE,
            },
            **request,
        },
        outputs={"window": Output("daily", "window")},
        **NO_RETRY,
    )


DEFINITION = {"Role": "glue-jobs", "Command": {"Name": "glueetl"}}


def emr(application: Any = "00f1") -> Job:
    log = {"enabled": True, "logGroupName": "/spark"}
    return Job(
        name="daily",
        kind="emr_serverless",
        request={
            "applicationId": application,
            "executionRoleArn": ROLE,
            "jobDriver": {
                "sparkSubmit": {
                    "entryPoint": "s3://lake/ml/code/0af/daily.py",
                    "entryPointArguments": ["--out", Output("daily", "window")],
                    "sparkSubmitParameters": "--conf a=b --py-files s3://lake/ml/code/1/a.py,s3://x/y",
                }
            },
            "configurationOverrides": {
                "monitoringConfiguration": {"cloudWatchLoggingConfiguration": log}
            },
        },
        outputs={"window": Output("daily", "window")},
        **NO_RETRY,
    )


def extract() -> Extract:
    return Extract(
        name="raw",
        conn_id="warehouse",
        query="select 1",
        table=None,
        parameters={},
        columns={},
        output=Output("raw", "output"),
        on_empty="continue",
        **NO_RETRY,
    )


def register(group: Any = "flights", tags: Any = None) -> Call:
    key = {"ModelPackageGroupName": group}
    return Call(
        name="register",
        service="sagemaker",
        action="create_model_package",
        request={**key, "ModelApprovalStatus": "PendingManualApproval"},
        retry=(),
        resource=Resource(
            describe="describe_model_package_group",
            key=key,
            create="create_model_package_group",
            request={**key, **({"Tags": tags} if tags else {})},
        ),
    )


def call(service: str, action: str, **request: Any) -> Call:
    return Call(name="call", service=service, action=action, request=request, retry=())


def model() -> Call:
    return Call(
        name="model",
        service="sagemaker",
        action="create_model",
        request={
            "ModelName": ResourceName("model"),
            "ExecutionRoleArn": f"{ROLE}-model",
            "PrimaryContainer": {
                "Image": IMAGE,
                "ModelDataUrl": JobField("train", ("ModelArtifacts", "S3ModelArtifacts")),
            },
        },
        retry=(),
    )


def transform(name: Any = None) -> Job:
    return Job(
        name="predict",
        kind="sagemaker_transform",
        request={
            "ModelName": name or ResourceName("model"),
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3Uri": Output("features", "test")}}
            },
            "TransformOutput": {"S3OutputPath": Output("predict", "output")},
        },
        outputs={"output": Output("predict", "output")},
        **NO_RETRY,
    )


def tuning() -> Job:
    return Job(
        name="tune",
        kind="sagemaker_tuning",
        request={
            "TrainingJobDefinition": {
                "RoleArn": ROLE,
                "AlgorithmSpecification": {"TrainingImage": IMAGE},
                "OutputDataConfig": {"S3OutputPath": Output("tune", "model")},
            }
        },
        outputs={"model": Output("tune", "model")},
        **NO_RETRY,
    )


def execution_of(kind: str, **request: Any) -> Job:
    return Job(name="other", kind=kind, request=request, **NO_RETRY)


COMPLETE = {
    "sagemaker_training": training(),
    "sagemaker_processing": processing(),
    "sagemaker_transform": transform("m"),
    "sagemaker_tuning": tuning(),
    "glue": glue(Definition=DEFINITION),
    "emr_serverless": emr(),
    "step_functions_execution": execution_of(
        "step_functions_execution", stateMachineArn=arn("states", "stateMachine:m")
    ),
    "sagemaker_pipeline_execution": execution_of("sagemaker_pipeline_execution", PipelineName="p"),
}
BESIDES = {"iam", "logs", "s3"}
"""Services of what a task does besides its kind: pass roles, read logs and reports, stage code."""


@pytest.mark.parametrize("kind", COMPLETE)
def test_airflow_is_granted_what_the_kind_says_that_it_calls(kind: str) -> None:
    actions = {action for action, _ in execution("airflow", COMPLETE[kind])}
    assert {one for one in actions if one.partition(":")[0] not in BESIDES} == KINDS[kind].actions


def test_every_kind_is_there() -> None:
    assert COMPLETE.keys() == KINDS.keys()


def test_executions_of_other_orchestrators() -> None:
    found = execution("airflow", COMPLETE["step_functions_execution"])
    machine, runs = arn("states", "stateMachine:m"), arn("states", "execution:m:*")
    assert each("states", "ListExecutions StartExecution", machine) <= found
    assert each("states", "DescribeExecution StopExecution", runs) <= found
    found = execution("airflow", COMPLETE["sagemaker_pipeline_execution"])
    pipeline = arn("sagemaker", "pipeline/p")
    assert ("sagemaker:StartPipelineExecution", pipeline) in found
    assert ("sagemaker:StopPipelineExecution", f"{pipeline}/execution/*") in found


def test_a_kind_without_a_table_is_allowed_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "other", KINDS["step_functions_execution"])
    assert ("states:StartExecution", "*") in execution("airflow", execution_of("other"))


def test_a_training_job_on_airflow() -> None:
    job = arn("sagemaker", "training-job/flights-train-*")
    logs = arn("logs", "log-group:/aws/sagemaker/TrainingJobs")
    assert execution("airflow", training()) == {
        *each("sagemaker", "CreateTrainingJob DescribeTrainingJob StopTrainingJob", job),
        ("sagemaker:ListTrainingJobs", "*"),
        ("iam:PassRole", ROLE),
        *each("logs", "DescribeLogStreams FilterLogEvents", f"{logs}:*"),
        ("logs:GetLogEvents", f"{logs}:log-stream:flights-train-*/*"),
        *each("s3", "GetObject PutObject", f"{BUCKET}/ml/code/*"),
    }


def test_a_training_job_on_step_functions() -> None:
    job = arn("sagemaker", "training-job/flights-train-*")
    rule = arn("events", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule")
    assert execution("step-functions", training()) == {
        *each("sagemaker", "CreateTrainingJob DescribeTrainingJob StopTrainingJob", job),
        *each("sagemaker", "AddTags ListTags", job),
        ("iam:PassRole", ROLE),
        *each("events", "DescribeRule PutRule PutTargets", rule),
    }


def test_a_training_job_on_sagemaker() -> None:
    job = arn("sagemaker", "training-job/pipelines-*")
    assert execution("sagemaker", training()) == {
        *each("sagemaker", "AddTags CreateTrainingJob DescribeTrainingJob StopTrainingJob", job),
        ("iam:PassRole", ROLE),
    }


def test_a_tuning_job() -> None:
    jobs = "hyper-parameter-tuning-job"
    found = execution("sagemaker", tuning())
    verb = "sagemaker:ListTrainingJobsForHyperParameterTuningJob"
    assert (verb, arn("sagemaker", f"{jobs}/*-tune*")) in found
    assert ("iam:PassRole", ROLE) in found
    create = "sagemaker:CreateHyperParameterTuningJob"
    assert (create, arn("sagemaker", f"{jobs}/fligh*")) in execution("airflow", tuning())
    found = execution("step-functions", tuning())
    assert (create, arn("sagemaker", f"{jobs}/flights-tune-*")) in found


def test_tags_are_a_permission_of_their_own() -> None:
    tags = [{"Key": "a", "Value": "b"}]
    job = arn("sagemaker", "training-job/flights-train-*")
    found = execution("airflow", training(Tags=tags))
    assert ("sagemaker:AddTags", job) in found
    assert ("s3:PutObjectTagging", f"{BUCKET}/ml/code/*") in found
    found = execution("airflow", glue(Definition={**DEFINITION, "Tags": {"a": "b"}}))
    assert ("glue:TagResource", arn("glue", "job/flights-daily")) in found
    tagged = Job(**{**vars(emr()), "request": {**emr().request, "tags": {"a": "b"}}})
    found = execution("airflow", tagged)
    application = arn("emr-serverless", "/applications/00f1")
    assert {f"{application}/jobruns/*", application} == {
        resource for action, resource in found if action == "emr-serverless:TagResource"
    }
    group = arn("sagemaker", "model-package-group/flights")
    assert ("sagemaker:AddTags", group) in execution("airflow", register(tags=tags))


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


@pytest.mark.parametrize(
    ("target", "definition", "verbs"),
    [
        (
            "airflow",
            True,
            "BatchStopJobRun CreateJob GetJob GetJobRun GetJobRuns StartJobRun UpdateJob",
        ),
        ("airflow", False, "BatchStopJobRun GetJobRun GetJobRuns StartJobRun"),
        (
            "step-functions",
            True,
            "BatchStopJobRun CreateJob GetJobRun GetJobRuns StartJobRun UpdateJob",
        ),
    ],
)
def test_glue(target: str, definition: bool, verbs: str) -> None:
    job = glue(**({"Definition": DEFINITION} if definition else {}))
    found = {one for one in execution(target, job) if one[0].startswith("glue:")}
    assert found == each("glue", verbs, arn("glue", "job/flights-daily"))


def test_emr_serverless_with_an_application_by_parameter() -> None:
    everything = arn("emr-serverless", "/applications/*")
    found = execution("step-functions", emr(Parameter("application", "00f1")))
    rule = arn("events", "rule/StepFunctionsGetEventsForEMRServerlessJobRule")
    assert found == {
        ("emr-serverless:StartJobRun", everything),
        *each("emr-serverless", "CancelJobRun GetJobRun", f"{everything}/jobruns/*"),
        ("iam:PassRole", ROLE),
        *each("events", "DescribeRule PutRule PutTargets", rule),
    }


def test_long_names_are_cut_as_the_target_cuts_them() -> None:
    job = Job(**{**vars(training()), "name": "train_the_model_of_all_flights_of_a_year"})
    for target in ("airflow", "step-functions"):
        (resource,) = {
            resource
            for action, resource in execution(target, job)
            if action == "sagemaker:CreateTrainingJob"
        }
        beginning = resource.removesuffix("*").rpartition("/")[2]
        whole = "flights-train-the-model-of-all-flights-of-a-year"
        assert whole.startswith(beginning)
        assert len(beginning) >= 20


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
        assert report not in execution(target, processing())
        assert report in execution(target, processing(), gate)


def test_encrypted_reports_and_volumes() -> None:
    key = arn("kms", "key/k1")
    config = {"Outputs": [], "KmsKeyId": "k1"}
    cluster = {"ClusterConfig": {"VolumeKmsKeyId": "alias/volumes"}}
    job = processing(request={"ProcessingOutputConfig": config, "ProcessingResources": cluster})
    found = execution("airflow", job)
    assert each("kms", "Decrypt GenerateDataKey", key) <= found
    assert each("kms", "CreateGrant DescribeKey", arn("kms", "key/*")) <= found
    policy = made("airflow", job)["jobs"][ROLE]["policy"]
    assert each("kms", "Decrypt GenerateDataKey", key) <= allowed(policy)
    by_arn = processing(request={"ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": key}})
    assert ("kms:Decrypt", key) in execution("airflow", by_arn)


def test_an_extract_is_written_by_airflows_worker() -> None:
    output = f"{BUCKET}/ml/flights/*/raw/output/*"
    assert execution("airflow", extract()) == {
        *each("s3", "AbortMultipartUpload DeleteObject PutObject", output),
        ("s3:ListBucket", BUCKET),
        *each("s3", "GetObject PutObject", f"{BUCKET}/ml/code/*"),
    }


def test_a_worker_job_does_what_airflows_worker_would() -> None:
    work = {"raw": extract(), "daily": glue(Definition={**DEFINITION, "Role": ROLE})}
    jobs = [processing(name, work=one) for name, one in work.items()]
    notify = processing("tell", work=call("sns", "publish", TopicArn=arn("sns", "t")))
    roles = made("sagemaker", *jobs, notify)["jobs"]
    found = allowed(roles[ROLE]["policy"])
    secret = arn("secretsmanager", "secret:airflow/connections/warehouse-??????")
    assert ("secretsmanager:GetSecretValue", secret) in found
    assert ("s3:DeleteObject", f"{BUCKET}/ml/flights/*/raw/output/*") in found
    assert ("glue:StartJobRun", arn("glue", "job/flights-daily")) in found
    assert ("iam:PassRole", ROLE) in found
    assert ("sns:Publish", arn("sns", "t")) in found
    # The Glue run itself has that role, too.
    assert ("s3:PutObject", f"{BUCKET}/ml/flights/*/daily/window/*") in found
    principal = roles[ROLE]["trust"]["Statement"][0]["Principal"]
    assert principal == {"Service": ["glue.amazonaws.com", "sagemaker.amazonaws.com"]}
    assert execution("sagemaker", *jobs, notify) == execution("sagemaker", processing("raw"))


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


def test_a_model_that_exists_has_a_role_of_its_own() -> None:
    assert made("airflow", transform("fixed"))["jobs"] == {}


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
    assert execution("step-functions", many) == execution("step-functions", few) | added
    assert execution("sagemaker", many) == execution("sagemaker", few)


def test_fallbacks_and_arms_count() -> None:
    job = Job(**{**vars(training()), "fallback": (glue(),)})
    gate = Choice(name="gate", when=Comparison(">", 1, 2), then=(job,), otherwise=(emr(),))
    services = {action.partition(":")[0] for action, _ in execution("step-functions", gate)}
    assert services == {"emr-serverless", "events", "glue", "iam", "sagemaker"}


def test_the_role_of_a_training_job() -> None:
    policy = made("airflow", training())["jobs"][ROLE]["policy"]
    logs = arn("logs", "log-group:/aws/sagemaker/TrainingJobs:*")
    assert allowed(policy) == {
        *each(
            "s3",
            "GetObject",
            f"{BUCKET}/ml/code/*",
            f"{BUCKET}/ml/datasets/days/*",
            f"{BUCKET}/ml/flights/*/features/train/*",
        ),
        *each("s3", "AbortMultipartUpload PutObject", f"{BUCKET}/ml/flights/*/train/model/*"),
        ("s3:ListBucket", BUCKET),
        *each(
            "ecr",
            "BatchCheckLayerAvailability BatchGetImage GetDownloadUrlForLayer",
            arn("ecr", "repository/team/model"),
        ),
        ("ecr:GetAuthorizationToken", "*"),
        *each("logs", "CreateLogGroup CreateLogStream DescribeLogStreams PutLogEvents", logs),
        ("cloudwatch:PutMetricData", "*"),
    }
    (listing,) = [one for one in policy["Statement"] if one["Action"] == ["s3:ListBucket"]]
    assert listing["Condition"] == {
        "StringLike": {
            "s3:prefix": ["ml/code/*", "ml/datasets/days/*", "ml/flights/*/features/train/*"]
        }
    }


def test_the_role_of_a_spark_job() -> None:
    found = allowed(
        made("airflow", glue(Definition=DEFINITION))["jobs"][
            f"arn:aws:iam::{ACCOUNT}:role/glue-jobs"
        ]["policy"]
    )
    dataset, window = f"{BUCKET}/ml/datasets/days/*", f"{BUCKET}/ml/flights/*/daily/window/*"
    verbs = "AbortMultipartUpload DeleteObject GetObject PutObject"
    assert each("s3", verbs, dataset, window) <= found
    assert (
        "s3:PutObject",
        window.replace("/*/daily", "/*/daily").removesuffix("/*") + "_$folder$",
    ) in found
    assert ("s3:GetObject", f"{BUCKET}/ml/flights/*/raw/output/*") in found
    assert ("s3:PutObject", f"{BUCKET}/ml/flights/*/raw/output/*") not in found
    found = allowed(made("airflow", emr())["jobs"][ROLE]["policy"])
    assert each("s3", "GetObject", f"{BUCKET}/ml/code/*", "arn:aws:s3:::x/y*") <= found
    assert ("logs:PutLogEvents", arn("logs", "log-group:/spark:*")) in found
    assert ("cloudwatch:PutMetricData", "*") not in found


def test_a_glue_job_that_is_defined_elsewhere_has_its_own_role() -> None:
    assert made("airflow", glue())["jobs"] == {}


def test_jobs_in_a_network_and_data_by_parameter() -> None:
    network = {"NetworkConfig": {"VpcConfig": {"Subnets": ["s"]}}}
    uri = Parameter("data", "s3://elsewhere/data/")
    inputs = {"ProcessingInputs": [{"S3Input": {"S3Uri": uri}}]}
    job = processing(request={**network, **inputs})
    found = allowed(made("airflow", job, parameters=(uri,))["jobs"][ROLE]["policy"])
    assert ("ec2:CreateNetworkInterface", "*") in found
    assert each("s3", "GetObject", "arn:aws:s3:::*") <= found
    in_network = Call(
        **{**vars(model()), "request": {**model().request, "VpcConfig": {"Subnets": []}}}
    )
    found = allowed(made("airflow", in_network)["jobs"][f"{ROLE}-model"]["policy"])
    assert ("ec2:CreateNetworkInterface", "*") in found


def test_an_image_of_no_registry_of_aws_needs_no_pull() -> None:
    job = processing(request={"AppSpecification": {"ImageUri": "python:3"}})
    found = allowed(made("airflow", job)["jobs"][ROLE]["policy"])
    assert not [action for action, _ in found if action.startswith("ecr:")]


@pytest.mark.parametrize("target", TARGETS)
def test_who_may_assume_the_roles(target: str) -> None:
    roles = made(target, training())
    (statement,) = roles["execution"]["trust"]["Statement"]
    service = {
        "airflow": ["airflow-env.amazonaws.com", "airflow.amazonaws.com"],
        "step-functions": "states.amazonaws.com",
        "sagemaker": "sagemaker.amazonaws.com",
    }[target]
    assert statement["Principal"] == {"Service": service}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    machine = arn("states", "stateMachine:flights")
    if target == "step-functions":
        source = statement["Condition"]["ArnLike"]
        assert source == {"aws:SourceArn": [machine, f"{machine}/*"]}
    (job,) = roles["jobs"][ROLE]["trust"]["Statement"]
    assert job["Principal"] == {"Service": "sagemaker.amazonaws.com"}


@pytest.mark.parametrize("target", TARGETS)
def test_the_order_of_the_steps_changes_nothing(target: str) -> None:
    nodes = [
        training(),
        processing(),
        glue(Definition=DEFINITION),
        register(),
        model(),
        transform(),
    ]
    assert made(target, *nodes) == made(target, *reversed(nodes))


@pytest.mark.parametrize("target", TARGETS)
def test_every_statement_has_an_id_of_its_own(target: str) -> None:
    roles = made(target, *COMPLETE.values(), register(), model())
    documents = [roles["execution"], *roles["jobs"].values()]
    for one in documents:
        ids = [statement["Sid"] for statement in one["policy"]["Statement"]]
        assert len(set(ids)) == len(ids)
        assert all(sid.isalnum() for sid in ids)
        assert ids == sorted(ids)


def test_another_partition() -> None:
    roles = policies(
        plan(training()), "airflow", partition="aws-cn", region="cn-north-1", account_id=ACCOUNT
    )
    named = {resource for _, resource in allowed(roles["execution"]["policy"])} - {"*", ROLE}
    assert all(resource.startswith("arn:aws-cn:") for resource in named)
