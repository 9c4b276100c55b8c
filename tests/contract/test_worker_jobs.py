"""Worker jobs: the bundle that the compiler makes, run as a processing job, without Airflow."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.extraction import extract
from airflow_ml_provider.extract.publish.manifest import read_manifest
from airflow_ml_provider.extract.selection import Selection
from airflow_ml_provider.extract.sources import source_for
from airflow_ml_provider.pipeline.account import Account
from airflow_ml_provider.pipeline.values import (
    Metric,
    Output,
    Parameter,
    Run,
    Text,
    replace_values,
)
from airflow_ml_provider.plan.code import staged
from airflow_ml_provider.plan.nodes import Call, Extract, Job, Plan
from airflow_ml_provider.targets.worker import with_worker_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
QUERY = """\
select carrier, delay, day from flights
where day >= :data_interval_start and delay >= :delay and carrier <> :carrier
"""
BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"airflow", "tenacity", "rich"}:
            raise ModuleNotFoundError(f"{name} is not in the container", name=name)
sys.meta_path.insert(0, Blocker())
print("No Airflow here.")
"""


@pytest.fixture
def bare(tmp_path: Path) -> Json:
    """Give the environment of a container that has no Airflow."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text(BLOCKER)
    return {"PYTHONPATH": str(tmp_path / "bare")}


@pytest.fixture
def create(
    *,
    client: Callable[[str], Any],
    bucket: str,
    name: str,
    role_arn: str,
    image: str,
    bare: Json,
) -> Callable[..., str]:
    """Compile one node for SageMaker, stage its code and create its processing job."""
    root = f"s3://{bucket}/{name}"
    run = {
        Run.KEY: "20130829T000000",
        Run.ID: name,
        Run.DATE: "2013-08-29",
        Run.INTERVAL_START: "2013-08-29T00:00:00+00:00",
        Run.INTERVAL_END: "2013-08-30T00:00:00+00:00",
    }

    def one(value: Any) -> Any:
        if isinstance(value, Text):
            return "".join(str(replace_values(part, one)) for part in value.parts)
        if isinstance(value, Output):
            return f"{root}/p/{run[Run.KEY]}/{value.step}/{value.name}/"
        if isinstance(value, Metric):
            return 0.75
        return value.default if isinstance(value, Parameter) else run[value]

    def create(node: Any, job_name: str) -> str:
        plan = Plan(
            name="p", root=root, folder=Path(), keyed_by="interval", parameters=(), nodes=(node,)
        )
        account = Account(role_arn=role_arn, worker_image_uri=image)
        made, findings = with_worker_jobs(plan, "sagemaker", account)
        assert [finding.verdict for finding in findings] == ["lowered"]
        made, objects = staged(made)
        for key, body in objects.items():
            client("s3").put_object(Bucket=bucket, Key=f"{name}/{key}", Body=body)
        (job,) = made.nodes
        assert isinstance(job, Job)
        request = replace_values(job.request, one)
        request["Environment"].update(bare)
        client("sagemaker").create_processing_job(**request, ProcessingJobName=job_name)
        return job_name

    return create


@pytest.fixture
def ended(client: Callable[[str], Any], until: Callable[..., None]) -> Callable[[str], Json]:
    """Wait for the end of a processing job, and describe it."""

    def ended(job_name: str) -> Json:
        def job() -> Json:
            return dict(client("sagemaker").describe_processing_job(ProcessingJobName=job_name))

        until(lambda: job()["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped"))
        return job()

    return ended


def extract_node(**fields: Any) -> Extract:
    values: Json = {
        "conn_id": "warehouse",
        "query": QUERY,
        "table": None,
        "parameters": {
            "run_date": Run.DATE,
            "data_interval_start": Run.INTERVAL_START,
            "data_interval_end": Run.INTERVAL_END,
            "delay": Parameter("delay", 10),
            "carrier": "AA",
        },
        "columns": {"day": "timestamp[us, tz=UTC]"},
        "output": Output("flights", "output"),
        "on_empty": "continue",
        "retry": (),
        "timeout_seconds": 600,
        **fields,
    }
    return Extract(name="flights", **values)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "Warehouse of 2013.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("create table flights (carrier text, delay integer, day text)")
        rows = [
            ("UA", 9, "2013-08-29T01:00:00+00:00"),  # as text, '9' would be more than '10'
            ("UA", 100, "2013-08-29T02:00:00+00:00"),
            ("DL", 10, "2013-08-30T03:00:00+00:00"),
            ("DL", 11, "2013-08-28T03:00:00+00:00"),
            ("AA", 12, "2013-08-29T03:00:00+00:00"),
        ]
        connection.executemany("insert into flights values (?, ?, ?)", rows)
    connection.close()
    return path


@pytest.fixture
def secret(client: Callable[[str], Any], database: Path) -> Any:
    """Keep the connection where Airflow on MWAA keeps it."""
    manager = client("secretsmanager")
    name = "airflow/connections/warehouse"
    text = json.dumps({"conn_type": "sqlite", "host": str(database)})
    manager.create_secret(Name=name, SecretString=text)
    yield
    manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@pytest.mark.usefixtures("secret")
def test_an_extract_writes_what_an_airflow_task_writes(
    *,
    client: Callable[[str], Any],
    create: Callable[..., str],
    ended: Callable[[str], Json],
    read: Callable[[str], bytes],
    messages: Callable[..., list[str]],
    bucket: str,
    database: Path,
    name: str,
    tmp_path: Path,
) -> None:
    job = ended(create(extract_node(), name))
    assert job["ProcessingJobStatus"] == "Completed", job
    uri = f"s3://{bucket}/{name}/p/20130829T000000/flights/output/"
    assert job["ExitMessage"].startswith("step 'flights': 2 rows, ")
    selection = Selection(
        name="warehouse",
        query=QUERY,
        parameters={"delay": 10, "carrier": "AA"},
        defaults={"data_interval_start": "2013-08-29T00:00:00+00:00"},
        columns={"day": "timestamp[us, tz=UTC]"},
    )
    connection = Connection("sqlite", host=str(database))
    source = source_for(connection, lambda: sqlite3.connect(database), selection)
    extract(source, f"s3://{bucket}/{name}/direct/", client=lambda: client("s3"))
    theirs, ours = (
        read_manifest(client("s3"), one) for one in (uri, f"s3://{bucket}/{name}/direct/")
    )
    assert theirs.rows == ours.rows == 2
    assert (theirs.source, theirs.query_sha256) == (ours.source, ours.query_sha256)
    assert theirs.columns == ours.columns
    tables = []
    for manifest in (theirs, ours):
        (file,) = manifest.files
        path = tmp_path / file.key.replace("/", "-")
        path.write_bytes(read(f"s3://{bucket}/{file.key}"))
        tables.append(pq.read_table(path))
    assert tables[0].equals(tables[1])
    log = messages("/aws/sagemaker/ProcessingJobs", name)
    assert "No Airflow here." in log
    assert str(database) not in "\n".join(log)


def test_a_failure_says_why_in_one_line(
    create: Callable[..., str], ended: Callable[[str], Json], name: str
) -> None:
    job = ended(create(extract_node(), name))
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "AlgorithmError: step 'flights': StepError: connection 'warehouse': Secrets Manager has no "
        "secret airflow/connections/warehouse; create it with the connection's URI or JSON, "
        "exit code: 1"
    )


def test_a_call_gets_the_values_of_the_run(
    client: Callable[[str], Any],
    create: Callable[..., str],
    ended: Callable[[str], Json],
    name: str,
) -> None:
    topic = client("sns").create_topic(Name=name)["TopicArn"]
    queue = client("sqs").create_queue(QueueName=name)["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    client("sns").subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
    )
    message = Text("AUC {auc} on {day}: {depth}", auc=Metric("e", ("auc",)), day=Run.DATE, depth=6)
    node = Call(
        name="tell",
        retry=(),
        service="sns",
        action="publish",
        request={"TopicArn": topic, "Message": message, "Subject": Parameter("subject", "Hi")},
    )
    job = ended(create(node, name))
    assert job["ProcessingJobStatus"] == "Completed", job
    (received,) = client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert received["Body"] == "AUC 0.75 on 2013-08-29: 6"


@pytest.fixture
def glue_node(put: Callable[..., str], role_arn: str, name: str) -> Callable[[str], Job]:
    def node(code: str) -> Job:
        script = {"Name": "pythonshell", "ScriptLocation": put("job.py", code)}
        definition = {"Role": role_arn, "Command": {**script, "PythonVersion": "3.9"}}
        request = {
            "JobName": name,
            "Definition": definition,
            "Arguments": {"--out": Output("daily", "window"), "--depth": Parameter("depth", 6)},
            "Timeout": 10,
        }
        return Job(name="daily", retry=(), kind="glue", request=request, timeout_seconds=600)

    return node


def test_a_glue_run_is_started_once_by_all_tries(
    *,
    client: Callable[[str], Any],
    create: Callable[..., str],
    ended: Callable[[str], Json],
    glue_node: Callable[[str], Job],
    messages: Callable[..., list[str]],
    bucket: str,
    name: str,
) -> None:
    node = glue_node("import sys\nprint('got', sys.argv)\n")
    jobs = [ended(create(node, f"{name}-{number}")) for number in (1, 2)]
    assert [job["ProcessingJobStatus"] for job in jobs] == ["Completed", "Completed"], jobs
    (run,) = client("glue").get_job_runs(JobName=name)["JobRuns"]
    out = f"s3://{bucket}/{name}/p/20130829T000000/daily/window/"
    assert (run["Arguments"]["--out"], run["Arguments"]["--depth"]) == (out, "6")
    log = "\n".join(messages("/aws/sagemaker/ProcessingJobs", f"{name}-1"))
    assert f"'{out}'" in log  # the run's own log


def test_a_glue_run_that_fails_fails_the_job(
    create: Callable[..., str],
    ended: Callable[[str], Json],
    glue_node: Callable[[str], Job],
    name: str,
) -> None:
    job = ended(create(glue_node("raise SystemExit('no rows today')"), name))
    assert job["ProcessingJobStatus"] == "Failed"
    assert f"step 'daily': JobFailedError: glue job {name}/" in job["FailureReason"]


def test_a_stopped_job_stops_its_glue_run(
    *,
    client: Callable[[str], Any],
    create: Callable[..., str],
    ended: Callable[[str], Json],
    glue_node: Callable[[str], Job],
    until: Callable[..., None],
    name: str,
) -> None:
    def run() -> Json:
        try:
            runs = client("glue").get_job_runs(JobName=name)["JobRuns"]
        except client("glue").exceptions.EntityNotFoundException:
            return {"JobRunState": ""}
        return dict(runs[0]) if runs else {"JobRunState": ""}

    create(glue_node("import time\ntime.sleep(300)"), name)
    until(lambda: run()["JobRunState"] == "RUNNING")
    client("sagemaker").stop_processing_job(ProcessingJobName=name)
    job = ended(name)
    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Stopped", "step 'daily': stopped")
    until(lambda: run()["JobRunState"] == "STOPPED")
