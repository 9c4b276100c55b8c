from __future__ import annotations

import io
import json
from datetime import date, datetime, timezone
from types import SimpleNamespace

import pytest
from rich.console import Console

from airflow_ml_provider.aws.execution import Execution, Step
from airflow_ml_provider.cli import executions
from airflow_ml_provider.cli.run import Wanted
from airflow_ml_provider.jobs.pause import Pause

TEXT = """
from pathlib import Path
from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.pipeline import *
topic = "arn:aws:sns:us-east-1:123456789012:told"
steps = [
    SqlExtract("q", conn_id="w", query="select 1"),
    Notify("tell", topic_arn=topic, message="m"),
]
dag = pipeline_dag(Pipeline("p", steps), account=Account(root="s3://own-lake"))
"""


class Account:
    """The clients of Secrets Manager and IAM in one."""

    def __init__(self):
        self.made = {}
        self.policies = {}

    def create_secret(self, *, Name, SecretString):  # noqa: N803
        self.made[Name] = SecretString

    def create_role(self, *, RoleName, AssumeRolePolicyDocument):  # noqa: N803
        assert "sts:AssumeRole" in AssumeRolePolicyDocument
        return {"Role": {"Arn": f"arn:aws:iam::123456789012:role/{RoleName}"}}

    def put_role_policy(self, *, RoleName, PolicyName, PolicyDocument):  # noqa: N803
        self.policies[RoleName] = json.loads(PolicyDocument)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A DAGs folder, and an AWS that deploys and runs all at once."""
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "dag.py").write_text(TEXT)
    (dags / "no_definition.py").write_text("raise SystemExit('never imported')\n")
    seen = SimpleNamespace(account=Account(), prepared=None, started=[], ended=[], dags=dags)

    def prepare(_, buckets, topics):
        seen.prepared = (buckets, topics)

    def start(compiled, arn, interval, _, *, token):
        seen.started.append((compiled, interval, token))
        return f"{arn}/{len(seen.started)}"

    laptop, execution = executions.laptop, executions.execution
    monkeypatch.setenv("AIRFLOW_CONN_W", "postgres://etl:secret@db/w")
    monkeypatch.setattr(laptop, "client", lambda *_, **__: seen.account)
    monkeypatch.setattr(laptop, "prepare_account", prepare)
    monkeypatch.setattr(laptop, "keep_objects", lambda *_: 3)
    monkeypatch.setattr(executions, "deploy", lambda compiled, *_: f"arn:{compiled.plan.name}")
    monkeypatch.setattr(execution, "start", start)
    monkeypatch.setattr(
        execution,
        "wait",
        lambda arn, *_, **__: seen.ended.pop(0) if seen.ended else Execution(arn, "SUCCEEDED"),
    )
    monkeypatch.setattr(execution, "steps", lambda *_: [Step("q", "Succeeded", 1.25)])
    return seen


@pytest.fixture
def run(world, tmp_path):
    def _run(*wanted, target="step-functions"):
        args = SimpleNamespace(runs=wanted, target=target, dags=world.dags, sqlite=[])
        aws = SimpleNamespace(
            endpoint_url="http://127.0.0.1:1", state_dir=tmp_path / "jobs", calls=[]
        )
        console = Console(file=io.StringIO(), width=120)
        code = executions.run(args, tmp_path, aws, console)
        return code, console.file.getvalue()

    return _run


@pytest.mark.parametrize("target", ["step-functions", "sagemaker"])
def test_a_run_a_day(run, world, tmp_path, target):
    code, said = run(Wanted("p", (date(2013, 8, 29), date(2013, 8, 30))), target=target)
    assert code == 0
    days = [datetime(2013, 8, day, tzinfo=timezone.utc) for day in (29, 30, 31)]
    assert [one[1] for one in world.started] == [(days[0], days[1]), (days[1], days[2])]
    tokens = {one[2] for one in world.started}
    assert len(tokens) == 2
    assert all(32 <= len(token) <= 80 for token in tokens)
    # The account of the DAG, and the rest as everywhere on a laptop.
    assert world.started[0][0].plan.root == "s3://own-lake"
    assert world.prepared == ({"own-lake"}, {"told"})
    assert world.account.made == {"airflow/connections/w": "postgres://etl:secret@db/w"}
    assert "not given" not in said
    assert not [file for file in tmp_path.glob("*.json") if "secret@" in file.read_text()]
    report = json.loads((tmp_path / "report.json").read_text())
    assert [(one["pipeline"], one["target"], one["succeeded"]) for one in report] == [
        ("p", target, True)
    ] * 2
    step = {"name": "q", "status": "Succeeded", "seconds": 1.25, "reason": None}
    assert report[0]["steps"] == [step]
    assert "Artifacts: 3 objects" in said
    # It runs as a role with the generated policy, of which nothing was used here.
    (policy,) = world.account.policies.values()
    unused = json.loads((tmp_path / "unused_actions.json").read_text())
    actions = [action for one in policy["Statement"] for action in one["Action"]]
    assert sorted(one.partition(": ")[2] for one in unused["p"]) == sorted(actions)


def test_without_days_it_runs_now(run, world):
    before = datetime.now(timezone.utc)
    assert run(Wanted("p", ()))[0] == 0
    ((_, (start, end), _),) = world.started
    assert before <= start == end


def test_a_connection_that_is_not_given_is_named(run, world, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_W")
    code, said = run(Wanted("p", ()))
    assert "connection 'w' is not given: --sqlite w=FILE, or the variable AIRFLOW_CONN_W" in said
    # The step may be in an arm that is never taken.
    assert code == 0
    assert not world.account.made


def test_a_failure_is_told(run, world):
    world.ended = [Execution("arn", "FAILED", "MetricMissing: auc")]
    code, said = run(Wanted("p", (date(2013, 8, 29),)))
    assert code == 1
    assert "FAILED: MetricMissing: auc" in said


def test_each_pause_is_told_once(run, monkeypatch):
    pause = Pause("q", 1, 2, "[red] light", 60)
    pauses = {(4, 1): pause, (9, 1): pause}

    def wait(arn, *_, on_poll, **__):
        on_poll()
        on_poll()
        return Execution(arn, "SUCCEEDED")

    monkeypatch.setattr(executions.execution, "wait", wait)
    monkeypatch.setattr(executions.execution, "retry_pauses", lambda *_: pauses)
    assert run(Wanted("p", ()))[1].count("q: try 1 of 2 failed: [red] light; the next") == 2


def test_a_step_that_failed_says_why(run, monkeypatch):
    failed = Step("q", "Failed", 1.25, "[red] light")
    monkeypatch.setattr(executions.execution, "steps", lambda *_: [failed])
    row = next(line for line in run(Wanted("p", ()))[1].splitlines() if "Failed" in line)
    assert "[red] light" in row


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT, "x: unknown; there are p"),
        ("# airflow_ml_provider\n", "x: unknown; there are none"),
        (TEXT + "nothing\n", "NameError"),
        (TEXT.replace('"p"', '"a b"'), "'a b' must be a letter"),
    ],
)
def test_what_can_not_be_run(run, world, text, said):
    (world.dags / "dag.py").write_text(text)
    code, printed = run(Wanted("x", ()))
    assert code == 1
    assert said in printed
    assert not world.started
