"""A pipeline runs with exactly the policy that is made for it, and needs all of it."""

from __future__ import annotations

import io
import json
import sqlite3
import time
import zipfile
from datetime import datetime, timezone
from threading import Event, Thread

import boto3
import pytest

from airflow_ml_provider.aws.deployment import deploy
from airflow_ml_provider.aws.execution import describe, start, wait
from airflow_ml_provider.aws.log_follower import FollowedLog, LogFollower
from airflow_ml_provider.aws.logs import LogReader
from airflow_ml_provider.aws.stage import stage
from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.query import extract_query
from airflow_ml_provider.jobs.report import read_report
from airflow_ml_provider.jobs.sagemaker import PROCESSING
from airflow_ml_provider.local.access import Access, unused_actions
from airflow_ml_provider.local.server import LocalAws
from airflow_ml_provider.pipeline import (
    Approval,
    CategoricalRange,
    Choice,
    Evaluation,
    LambdaCall,
    Map,
    Model,
    Notify,
    Pipeline,
    Processing,
    RegisterModel,
    RemoteJob,
    SqlExtract,
    Training,
    Transform,
    Tuning,
)
from airflow_ml_provider.pipeline.account import Account
from airflow_ml_provider.pipeline.step import Report
from airflow_ml_provider.pipeline.values import Code, replace_values
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.plan.code import Bundle, staged
from airflow_ml_provider.targets import approval_relay
from airflow_ml_provider.targets.compile import compile_pipeline
from airflow_ml_provider.targets.iam import policies

ACCOUNT, REGION = "123456789012", "us-east-1"
JOBS = f"arn:aws:iam::{ACCOUNT}:role/jobs"
IMAGE = "python:3"
DAY = (datetime(2013, 8, 29, tzinfo=timezone.utc), datetime(2013, 8, 30, tzinfo=timezone.utc))
# AWS documents that it needs them, for what the local AWS does otherwise.
NOT_SEEN = {"glue:GetJobRuns"}
STOPS = {"BatchStopJobRun", "CancelJobRun"}
SCRIPTS = {
    "features.py": """
        from pathlib import Path
        for name in ("train", "test"):
            Path(f"/opt/ml/processing/output/{name}/{name}.csv").write_text("1\\n2\\n")
    """,
    "train.py": """
        import os
        from pathlib import Path
        Path(os.environ["SM_MODEL_DIR"], "factor").write_text("2")
        print("auc=0.8;")
    """,
    "evaluate.py": """
        import json
        report = {"binary_classification_metrics": {"auc": {"value": 0.8}}}
        with open("/opt/ml/processing/output/report/evaluation.json", "w") as file:
            json.dump(report, file)
    """,
    "serve.py": """
        from pathlib import Path
        def model_fn(folder): return int(Path(folder, "factor").read_text())
        def input_fn(data, content_type): return [int(line) for line in data.split()]
        def predict_fn(numbers, factor): return [number * factor for number in numbers]
        def output_fn(predictions, accept): return " ".join(map(str, predictions))
    """,
    "shell.py": "print('done')",
    "slow.py": "import time; time.sleep(60)",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    for name, text in SCRIPTS.items():
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip())
        (folder / name).write_text("\n".join(line[indent:] for line in lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    state_dir = tmp_path_factory.mktemp("aws")
    local = LocalAws(state_dir=state_dir, enforce_iam=True, wait_scale=0.01)
    with local as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.endpoint_url)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ACCESS_KEY_ID", "local")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        yield server


@pytest.fixture(scope="module")
def client(aws):
    clients = {}
    return lambda service: clients.setdefault(service, boto3.client(service))


@pytest.fixture(scope="module")
def account(client):
    """Make what a pipeline finds in its account; an older definition of its Glue job, too."""
    client("s3").create_bucket(Bucket="lake")
    client("sns").create_topic(Name="team")
    client("sqs").create_queue(QueueName="approvals")
    client("iam").create_role(RoleName="jobs", AssumeRolePolicyDocument="{}")
    client("glue").create_job(Name="all-shell", Role=JOBS, Command={"Name": "pythonshell"})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def check(event, context): return {'good': True}")
    client("lambda").create_function(
        FunctionName="check",
        Runtime="python3.12",
        Role=JOBS,
        Handler="app.check",
        Code={"ZipFile": buffer.getvalue()},
    )
    return Account(role_arn=JOBS, root="s3://lake/ml", worker_image_uri=IMAGE)


@pytest.fixture(scope="module", autouse=True)
def relay(account, client):
    """Approve each package that somebody asks about, and let the relay answer."""
    stop = Event()
    url = client("sqs").get_queue_url(QueueName="approvals")["QueueUrl"]

    def answer():
        while not stop.wait(0.1):
            found = client("sqs").receive_message(QueueUrl=url).get("Messages", [])
            for message in found:
                package = json.loads(message["Body"])["arguments"]["model_package_arn"]
                client("sagemaker").update_model_package(
                    ModelPackageArn=package, ModelApprovalStatus="Approved"
                )
                record = {"messageId": message["MessageId"], "body": message["Body"]}
                approval_relay.answer({"Records": [record]}, None)
                client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    thread = Thread(target=answer, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join()


def everything(folder, group):
    """Give a pipeline with each kind of step that needs no Spark."""
    common = {"image_uri": IMAGE}
    features = Processing("features", script="features.py", outputs=("train", "test"), **common)
    inputs = {"train": features["train"]}
    train = Training("train", script="train.py", inputs=inputs, **common)
    tune = Tuning(
        "tune",
        script="train.py",
        inputs=inputs,
        metrics={"auc": "auc=([0-9.]+);"},
        objective="auc",
        ranges={"depth": CategoricalRange(("1", "2"))},
        strategy="Grid",
        **common,
    )
    evaluate = Evaluation(
        "evaluate", script="evaluate.py", model=train.artifact, data=features["test"], **common
    )
    model = Model("model", artifact=train.artifact, script="serve.py", **common)
    predict = Transform("predict", model=model, data=features["test"])
    register = RegisterModel("register", model=train, metrics=evaluate, group=group)
    queue = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/approvals"
    approve = Approval("approve", register, queue_url=queue)
    tell = Notify(
        "tell", topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:team", message="done", after=[approve]
    )
    gate = Choice("gate", evaluate.metric("auc") > 0.5, then=[register, approve, tell])
    check = LambdaCall("check", function=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:check")
    days = Map(
        "days", items=("a", "b"), body=[Processing("day", script="shell.py", outputs=(), **common)]
    )
    shell = RemoteJob(
        "shell",
        kind="glue",
        request={
            "JobName": "all-shell",
            "Definition": {
                "Role": JOBS,
                "Command": {
                    "Name": "pythonshell",
                    "PythonVersion": "3.9",
                    "ScriptLocation": Code(("shell.py",), "file"),
                },
            },
        },
    )
    steps = [features, train, tune, evaluate, model, predict, gate, check, days, shell]
    return Pipeline("all", steps, folder=folder)


def begun(compiled, policy, client):
    """Start a pipeline with this policy alone; give the execution and its role."""
    name = f"{compiled.plan.name}-{compiled.target}"
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client("iam").put_role_policy(
        RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy)
    )
    arn = deploy(compiled, role, client)
    return start(compiled, arn, DAY, client, token=f"{name:-<40}1"), role


def policy_of(compiled):
    made = policies(compiled.plan, compiled.target, region=REGION, account_id=ACCOUNT)
    return made["execution"]["policy"]


@pytest.fixture(scope="module", params=["step-functions", "sagemaker"])
def target(request):
    return request.param


@pytest.fixture(scope="module")
def ran(target, folder, account, client, aws):
    """Run the pipeline with exactly its policy; give the policy and what was called."""
    compiled = compile_pipeline(everything(folder, f"flights-{target}"), target, account)
    policy = policy_of(compiled)
    arn, role = begun(compiled, policy, client)
    execution = wait(arn, client, poll_seconds=0.1)
    return execution, policy, [call for call in aws.calls if call.role_arn == role]


def test_the_pipeline_runs_with_its_policy(ran):
    execution, _, calls = ran
    refused = [(call.action, call.resource) for call in calls if not call.allowed_by]
    assert refused == []
    assert execution.succeeded, execution


def test_nothing_is_allowed_that_is_not_needed(ran):
    _, policy, calls = ran
    unused = {one.partition(": ")[2] for one in unused_actions(policy, calls)} - NOT_SEEN
    stops = {
        one for one in unused if one.startswith("sagemaker:Stop") or one.partition(":")[2] in STOPS
    }
    assert unused - stops == set()


def test_a_stopped_run_may_stop_its_jobs(target, folder, account, client, aws):
    slow = Processing("slow", script="slow.py", image_uri=IMAGE, outputs=())
    compiled = compile_pipeline(Pipeline("slow", [slow], folder=folder), target, account)
    arn, role = begun(compiled, policy_of(compiled), client)
    deadline = time.monotonic() + 60
    while not client("sagemaker").list_processing_jobs(StatusEquals="InProgress")[
        "ProcessingJobSummaries"
    ]:
        assert time.monotonic() < deadline, describe(arn, client)
        time.sleep(0.1)
    if target == "step-functions":
        client("stepfunctions").stop_execution(executionArn=arn)
    else:
        client("sagemaker").stop_pipeline_execution(
            PipelineExecutionArn=arn, ClientRequestToken="s" * 32
        )
    assert not wait(arn, client, poll_seconds=0.1).succeeded
    stopped = False
    while not stopped:
        assert time.monotonic() < deadline
        calls = [call for call in aws.calls if call.role_arn == role]
        assert all(call.allowed_by for call in calls)
        stopped = any(call.action == "sagemaker:StopProcessingJob" for call in calls)
        time.sleep(0.1)


def test_without_a_policy_the_run_fails(target, folder, account, client, aws):
    slow = Processing("none", script="shell.py", image_uri=IMAGE, outputs=())
    compiled = compile_pipeline(Pipeline("none", [slow], folder=folder), target, account)
    other = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    arn, role = begun(compiled, {"Version": "2012-10-17", "Statement": [other]}, client)
    assert not wait(arn, client, poll_seconds=0.1).succeeded
    calls = [call for call in aws.calls if call.role_arn == role]
    assert calls
    assert not any(call.allowed_by for call in calls)


@pytest.fixture
def tasks_client(client, aws):
    """Give clients that are refused what the role of Airflow's workers does not allow."""
    access = Access(enforce=True)
    role = client("iam").create_role(RoleName="workers", AssumeRolePolicyDocument="{}")["Role"]

    def make(policy):
        client("iam").put_role_policy(
            RoleName="workers", PolicyName="own", PolicyDocument=json.dumps(policy)
        )

        def get(service):
            made = boto3.client(service)
            access.follow(made, role["Arn"], ACCOUNT)
            return made

        return get

    return make, access


def test_airflows_tasks_need_all_of_their_policy(folder, account, tasks_client):
    """Do what the operators of an extract and a processing job do, by the same functions."""
    rows = SqlExtract("rows", conn_id="warehouse", query="select 1 as id")
    judge = Processing(
        "judge",
        script="evaluate.py",
        image_uri=IMAGE,
        inputs={"rows": rows.output},
        outputs=("report",),
        report=Report("report", "evaluation.json"),
    )
    pipeline = Pipeline("all", [rows, judge], root="s3://lake/airflow", folder=folder)
    plan, objects = staged(build(pipeline, account))
    policy = policies(plan, "airflow", region=REGION, account_id=ACCOUNT)["execution"]["policy"]
    make, access = tasks_client
    get = make(policy)
    s3, sagemaker, kind = get("s3"), get("sagemaker"), PROCESSING
    run = f"{plan.root}/all/20130829T000000"
    stage(s3, Bundle("", objects), plan.root)
    for _ in range(2):  # the second takes the place of the first, and knows of it
        extract_query(
            Connection("sqlite"),
            lambda: sqlite3.connect(":memory:"),
            conn_id="warehouse",
            query="select 1 as id",
            table=None,
            parameters={},
            defaults={},
            columns={},
            partitions=1,
            partition_by=None,
            watermark=None,
            watermark_delay_seconds=0,
            on_drift="fail",
            checks=[],
            memory_mb=300,
            history=f"{plan.root}/all/_history/rows.json",
            run_key="20130829T000000",
            output=f"{run}/rows/output/",
            on_empty="continue",
            kms_key_id=None,
            client=lambda: s3,
        )
    request = replace_values(plan.nodes[1].request, lambda one: f"{run}/{one.step}/{one.name}/")
    first, second = "all-judge-0123456789abcdef-1", "all-judge-0123456789abcdef-2"
    for name in (first, second):
        kind.submit(sagemaker, request, name)
    kind.states(sagemaker, [first, second], time.time())
    deadline = time.monotonic() + 60
    while not kind.state(sagemaker, first).phase.final:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    kind.stop(sagemaker, second)
    streams = kind.logs(first, request)
    LogReader(get("logs"), streams).new_lines()
    began = time.time() - 3600
    followed = FollowedLog(streams, 10, lambda _: None, began, began)
    LogFollower(lambda: get("logs")).follow([followed])
    assert read_report(s3, f"{run}/judge/report/evaluation.json")
    assert [call for call in access.calls if not call.allowed_by] == []
    # A large extract is uploaded in parts, which are given up if it fails; an earlier file goes.
    unused = {one.partition(": ")[2] for one in unused_actions(policy, access.calls)}
    assert unused == {"s3:AbortMultipartUpload"}
