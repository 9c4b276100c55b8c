"""An extract as a Glue Python shell job: a real PostgreSQL, the staged wheel, no Airflow."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from extract_steps import Step

from airflow_ml_provider.jobs.glue import GLUE
from airflow_ml_provider.jobs.start import How, start
from airflow_ml_provider.pipeline import Account, GluePythonShell, Parameter, Pipeline, SqlExtract
from airflow_ml_provider.pipeline.values import History, Output, Run, Text, replace_values
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.plan.code import staged
from airflow_ml_provider.plan.nodes import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]
RUN = {
    Run.KEY: "20260102T000000",
    Run.ID: "run",
    Run.DATE: "2026-01-02",
    Run.INTERVAL_START: "2026-01-02T00:00:00+00:00",
    Run.INTERVAL_END: "2026-01-03T00:00:00+00:00",
}
ORDERS = """
create table orders as
select n::bigint id, n % 7 shop, (n / 8.0)::numeric(12, 3) amount,
    case when n % 5 = 0 then 'ünï ''x''' end note,
    timestamptz '2026-01-01 12:00+02' + n * interval '1 minute' as day
from generate_series(1, 5000) n
"""
QUERY = "select * from orders where shop <> :shop and day < :data_interval_end order by id"
PASSWORD = "never-to-be-seen"


@pytest.fixture
def secret(client: Callable[[str], Any], parameters: dict[str, str], name: str) -> Iterator[str]:
    """Keep the connection in Secrets Manager; give its id."""
    given = {
        "conn_type": "postgres",
        "host": parameters["host"],
        "login": parameters["user"],
        "password": PASSWORD,
        "schema": parameters["dbname"],
    }
    manager = client("secretsmanager")
    manager.create_secret(Name=f"airflow/connections/{name}", SecretString=json.dumps(given))
    yield name
    manager.delete_secret(SecretId=f"airflow/connections/{name}", ForceDeleteWithoutRecovery=True)


@pytest.fixture
def request_of(
    client: Callable[[str], Any], bucket: str, name: str, role_arn: str
) -> Callable[..., Json]:
    """Stage the code of an extract, and give the request that an Airflow task would make."""
    root = f"s3://{bucket}/{name}"

    def one(value: Any) -> Any:
        if isinstance(value, Text):
            return "".join(str(replace_values(part, one)) for part in value.parts)
        if isinstance(value, Output):
            return f"{root}/p/{RUN[Run.KEY]}/{value.step}/{value.name}/"
        if isinstance(value, History):
            return f"{root}/p/_history/{value.step}.json"
        return value.default if isinstance(value, Parameter) else RUN[value]

    def request_of(conn_id: str, **fields: Any) -> Json:
        fields = {"query": QUERY, "parameters": {"shop": Parameter("shop", 3)}, **fields}
        step = SqlExtract("orders", conn_id=conn_id, on=GluePythonShell(job_name=name), **fields)
        plan = build(Pipeline("p", [step], root=root), Account(role_arn=role_arn))
        plan, objects = staged(plan)
        for key, body in objects.items():
            client("s3").put_object(Bucket=bucket, Key=f"{name}/{key}", Body=body)
        (node,) = plan.nodes
        assert isinstance(node, Job)
        made: Json = replace_values(node.request, one)
        return made

    return request_of


@pytest.fixture
def begin(client: Callable[[str], Any]) -> Iterator[Callable[..., Any]]:
    """Start a run exactly once for a token, as an operator and a worker job do."""
    began = []

    def begin(request: Json, token: str = "try") -> Any:
        deadline = datetime.now(timezone.utc).timestamp() + 60
        began.append(start(GLUE, lambda: client("glue"), request, token, deadline=deadline))
        return began[-1]

    yield begin
    for one in began:
        with suppress(Exception):  # it has ended, as it should have
            GLUE.stop(client("glue"), one.job_id)


@pytest.fixture
def ended(client: Callable[[str], Any], until: Callable[..., None]) -> Callable[[Any], Any]:
    """Wait for the end of a run."""

    def ended(started: Any) -> Any:
        until(lambda: GLUE.state(client("glue"), started.job_id).phase.final)
        return GLUE.state(client("glue"), started.job_id)

    return ended


def test_the_object_is_that_of_a_worker(
    *,
    begin: Callable[..., Any],
    ended: Callable[[Any], Any],
    request_of: Callable[..., Json],
    run: Callable[..., Any],
    parameters: dict[str, str],
    secret: str,
    client: Callable[[str], Any],
    read: Callable[[str], bytes],
    messages: Callable[..., list[str]],
    bucket: str,
    name: str,
) -> None:
    run(ORDERS)
    request = request_of(secret)
    first = begin(request)
    state = ended(first)
    assert state.status == "SUCCEEDED", state
    again = begin(request)
    assert (again.how, again.job_id) == (How.ADOPTED, first.job_id)
    assert len(client("glue").get_job_runs(JobName=name)["JobRuns"]) == 1

    step = Step(parameters, f"s3://{bucket}/{name}", client("s3"))
    rows = step.run(
        "direct",
        conn_id=secret,
        query=QUERY,
        table=None,
        parameters={"shop": 3},
        defaults={"data_interval_end": RUN[Run.INTERVAL_END]},
        history=None,
    )
    file = "part-00000.parquet"
    theirs = read(f"s3://{bucket}/{name}/p/{RUN[Run.KEY]}/orders/output/{file}")
    assert theirs == read(f"{step.output('direct')}/{file}")
    run_id = first.job_id.rpartition("/")[2]
    log = messages("/aws-glue/python-jobs/output", run_id)
    assert any(f"step 'orders': {len(rows):,} rows, " in line for line in log), log

    told = json.dumps(client("glue").get_job_run(JobName=name, RunId=run_id)["JobRun"], default=str)
    told += "\n".join(log + messages("/aws-glue/python-jobs/error", run_id))
    told += read(request["Arguments"]["--airflow-ml-step"]).decode()
    assert PASSWORD not in told


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from trains where :shop > 0", "StepError: step 'orders': BadQuery: "),
        ("select 1 / (:shop - 3) x", "StepError: step 'orders': "),
    ],
)
def test_a_failure_is_the_error_of_the_run(
    *,
    begin: Callable[..., Any],
    ended: Callable[[Any], Any],
    request_of: Callable[..., Json],
    secret: str,
    keys: Callable[[], list[str]],
    query: str,
    said: str,
) -> None:
    state = ended(begin(request_of(secret, query=query)))
    assert state.status == "FAILED"
    assert said in state.reason
    assert "\n" not in state.reason
    assert not [key for key in keys() if key.startswith("p/")]


def test_a_missing_secret_is_named(
    begin: Callable[..., Any], ended: Callable[[Any], Any], request_of: Callable[..., Json]
) -> None:
    state = ended(begin(request_of("nobody")))
    assert "Secrets Manager has no secret airflow/connections/nobody; create it" in state.reason


def test_a_stopped_run_leaves_nothing(
    *,
    begin: Callable[..., Any],
    ended: Callable[[Any], Any],
    request_of: Callable[..., Json],
    run: Callable[..., Any],
    secret: str,
    client: Callable[[str], Any],
    until: Callable[..., None],
    keys: Callable[[], list[str]],
) -> None:
    query = "select n, pg_sleep(0.01)::text from generate_series(1, 100000) n where n > :shop"
    started = begin(request_of(secret, query=query))
    sleeping = "select count(*) from pg_stat_activity where query like '%pg_sleep(0.01)%'"
    until(lambda: run(f"{sleeping} and pid <> pg_backend_pid()")[0][0] > 0)
    GLUE.stop(client("glue"), started.job_id)
    assert ended(started).status == "STOPPED"
    assert not [key for key in keys() if key.startswith("p/")]
    until(lambda: run(f"{sleeping} and pid <> pg_backend_pid()")[0][0] == 0)
