# ruff: noqa: N803 - the arguments have AWS's own names
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_ml_provider.jobs.errors import JobError, JobNotFoundError, is_transient
from airflow_ml_provider.jobs.glue import GLUE, TOKEN_ARGUMENT
from airflow_ml_provider.jobs.start import How
from airflow_ml_provider.jobs.state import LogStreams, Phase

NOW = datetime.now(timezone.utc)
DEFINITION = {
    "Role": "arn:aws:iam::123456789012:role/glue",
    "GlueVersion": "5.0",
    "Command": {"Name": "glueetl", "ScriptLocation": "s3://b/daily.py"},
    "ExecutionProperty": {"MaxConcurrentRuns": 20},
    "Tags": {"a": "b"},
}
REQUEST = {"JobName": "daily", "Definition": DEFINITION, "Arguments": {"--day": "1"}}


def run(run_id, status="RUNNING", token="t-1", age_days=0.0, **fields):
    return {
        "JobName": "daily",
        "Id": run_id,
        "JobRunState": status,
        "StartedOn": NOW - timedelta(days=age_days),
        "Arguments": {TOKEN_ARGUMENT: token},
        **fields,
    }


class Glue:
    """Job definitions and runs as Glue keeps them."""

    def __init__(self, aws, refusal, runs=(), jobs=()):
        self.runs, self.jobs = list(runs), dict(jobs)
        self.refusal = refusal
        self.fake = aws(
            "glue",
            GetJob=self.get_job,
            CreateJob=self.create_job,
            UpdateJob=lambda JobName, JobUpdate: self.jobs.update({JobName: JobUpdate}) or {},
            StartJobRun=self.start_job_run,
            GetJobRun=self.get_job_run,
            GetJobRuns=lambda **_: {"JobRuns": self.runs},
            BatchStopJobRun=self.stop,
        )
        self.client = self.fake.client

    def get_job(self, JobName):
        if JobName not in self.jobs:
            return self.refusal("EntityNotFoundException")
        return {"Job": self.jobs[JobName]}

    def create_job(self, Name, **definition):
        self.jobs[Name] = definition
        return {"Name": Name}

    def start_job_run(self, JobName, Arguments, **fields):
        run_id = f"jr_{len(self.runs)}"
        self.runs.append(run(run_id, Arguments=Arguments, StartedOn=datetime.now(timezone.utc)))
        return {"JobRunId": run_id}

    def get_job_run(self, JobName, RunId):
        for one in self.runs:
            if one["Id"] == RunId:
                return {"JobRun": one}
        return self.refusal("EntityNotFoundException")

    def stop(self, JobName, JobRunIds):
        for one in self.runs:
            if one["Id"] in JobRunIds:
                one["JobRunState"] = "STOPPING"
        return {"SuccessfulSubmissions": [], "Errors": []}


@pytest.fixture
def glue(aws, refusal):
    return lambda **things: Glue(aws, refusal, **things)


def test_defines_a_missing_job_and_marks_its_run(glue):
    world = glue()
    assert GLUE.submit(world.client, REQUEST, "t-1") == "daily/jr_0"
    assert world.jobs["daily"] == DEFINITION
    assert world.runs[0]["Arguments"] == {
        "--scriptLocation": "s3://b/daily.py",
        "--day": "1",
        TOKEN_ARGUMENT: "t-1",
    }


def test_a_request_without_a_definition_needs_a_job(glue):
    world = glue()
    GLUE.submit(world.client, {"JobName": "daily"}, "t-1")
    assert world.fake.names() == ["StartJobRun", "GetJobRuns"]
    assert world.runs[0]["Arguments"] == {TOKEN_ARGUMENT: "t-1"}


def test_updates_what_a_run_can_not_override(glue, caplog):
    world = glue(jobs={"daily": {**DEFINITION, "GlueVersion": "4.0", "Command": {"Name": "x"}}})
    GLUE.submit(world.client, REQUEST, "t-1")
    assert world.jobs["daily"] == {k: v for k, v in DEFINITION.items() if k != "Tags"}
    assert "differs in: Command.Name, GlueVersion" in caplog.text
    connections = {"Connections": {"Connections": ["shop-vpc"]}}
    GLUE.submit(world.client, {**REQUEST, "Definition": {**DEFINITION, **connections}}, "t-2")
    assert world.jobs["daily"]["Connections"] == connections["Connections"]
    assert "differs in: Connections" in caplog.text


def test_leaves_a_job_alone_that_differs_in_what_a_run_overrides(glue):
    other_script = {"Name": "glueetl", "ScriptLocation": "s3://b/other.py"}
    world = glue(jobs={"daily": {**DEFINITION, "Command": other_script}})
    GLUE.submit(world.client, REQUEST, "t-1")
    assert "UpdateJob" not in world.fake.names()


def test_somebody_else_may_define_the_job_first(glue, refusal):
    world = glue()
    world.fake.answers["CreateJob"] = refusal("AlreadyExistsException")
    assert GLUE.submit(world.client, REQUEST, "t-1") == "daily/jr_0"


@pytest.mark.parametrize("operation", ["GetJob", "CreateJob"])
def test_a_refused_definition_is_passed_on(glue, refusal, operation):
    world = glue()
    world.fake.answers[operation] = refusal("AccessDeniedException")
    with pytest.raises(Exception, match="AccessDenied"):
        GLUE.submit(world.client, REQUEST, "t-1")
    assert world.runs == []


def test_two_submitters_keep_the_earliest_run(glue):
    world = glue(runs=[run("jr_b", age_days=0.1), run("jr_a", age_days=0.2), run("x", token="o")])
    assert GLUE.submit(world.client, REQUEST, "t-1") == "daily/jr_a"
    states = {one["Id"]: one["JobRunState"] for one in world.runs}
    assert states == {"jr_a": "RUNNING", "jr_b": "STOPPING", "x": "RUNNING", "jr_3": "STOPPING"}


def test_runs_that_started_at_once_are_told_apart_by_id(glue):
    world = glue(runs=[run("jr_b"), run("jr_a"), run("jr_c", "FAILED"), run("jr_d", "STOPPING")])
    assert GLUE.find(world.client, REQUEST, "t-1").job_id == "daily/jr_a"
    assert [call for call in world.fake.calls if call[0] == "BatchStopJobRun"] == [
        ("BatchStopJobRun", {"JobName": "daily", "JobRunIds": ["jr_b"]})
    ]


def test_a_run_that_is_not_listed_yet_is_still_ours(glue):
    world = glue()
    world.fake.answers["GetJobRuns"] = {"JobRuns": []}
    assert GLUE.submit(world.client, REQUEST, "t-1") == "daily/jr_0"


def test_looks_no_further_back_than_it_must(aws):
    old = {"JobRuns": [run("jr_old", token="x", age_days=31)], "NextToken": "2"}
    fake = aws("glue", GetJobRuns=[{"JobRuns": [], "NextToken": "1"}, old])
    assert GLUE.find(fake.client, REQUEST, "t-1") is None
    assert len(fake.calls) == 2


def test_a_missing_job_has_no_runs_and_a_refusal_is_passed_on(aws, refusal):
    fake = aws("glue", GetJobRuns=[refusal("EntityNotFoundException"), refusal("AccessDenied")])
    assert GLUE.find(fake.client, REQUEST, "t-1") is None
    with pytest.raises(Exception, match="AccessDenied"):
        GLUE.find(fake.client, REQUEST, "t-1")


def test_too_many_runs_at_once_is_waited_out(begin, glue, refusal):
    world = glue()
    start_run = world.fake.answers["StartJobRun"]
    too_many = refusal("ConcurrentRunsExceededException")
    assert is_transient(too_many)
    world.fake.answers["StartJobRun"] = [too_many, too_many, start_run]
    pauses = []
    started = begin(GLUE, world.client, REQUEST, "t", sleep=pauses.append)
    assert (started.job_id, started.how, len(pauses)) == ("daily/jr_0", How.CREATED, 2)


@pytest.mark.parametrize(
    ("status", "fields", "phase", "reason"),
    [
        ("STARTING", {}, Phase.RUNNING, None),
        ("WAITING", {}, Phase.RUNNING, None),
        ("SUCCEEDED", {}, Phase.SUCCEEDED, None),
        ("FAILED", {"ErrorMessage": "boom"}, Phase.FAILED, "boom"),
        ("TIMEOUT", {"Timeout": 5}, Phase.FAILED, "it ran longer than its Timeout of 5 minutes"),
        ("TIMEOUT", {"ErrorMessage": "late"}, Phase.FAILED, "late"),
        ("ERROR", {}, Phase.FAILED, None),
        ("EXPIRED", {}, Phase.FAILED, None),
        ("STOPPED", {}, Phase.STOPPED, None),
    ],
)
def test_phases_and_reasons(glue, status, fields, phase, reason):
    state = GLUE.state(glue(runs=[run("jr", status, **fields)]).client, "daily/jr")
    assert (state.phase, state.reason) == (phase, reason)


def test_a_result_is_small(glue):
    world = glue(runs=[run("jr", "SUCCEEDED", ExecutionTime=60, WorkerType="G.1X")])
    assert GLUE.state(world.client, "daily/jr").result == {
        "JobName": "daily",
        "Id": "jr",
        "ExecutionTime": 60,
        "WorkerType": "G.1X",
    }


def test_an_unknown_run(glue, refusal):
    world = glue()
    with pytest.raises(JobNotFoundError):
        GLUE.state(world.client, "daily/jr")
    world.fake.answers["GetJobRun"] = refusal("AccessDenied")
    with pytest.raises(Exception, match="AccessDenied"):
        GLUE.state(world.client, "daily/jr")


def test_one_list_call_for_the_runs_of_a_job(glue):
    world = glue(runs=[run("jr_1"), run("jr_2", "FAILED", ErrorMessage="boom"), run("jr_3")])
    states = GLUE.states(world.client, ["daily/jr_1", "daily/jr_2", "other/jr_9"], 0.0)
    assert {name: state.phase for name, state in states.items()} == {
        "daily/jr_1": Phase.RUNNING,
        "daily/jr_2": Phase.FAILED,
    }
    assert world.fake.names() == ["GetJobRuns"]


def test_stopping_an_ended_stopping_or_unknown_run_is_no_error(glue):
    refused = {"Errors": [{"ErrorDetail": {"ErrorCode": "x", "ErrorMessage": "not now"}}]}
    world = glue(runs=[run("jr_1", "SUCCEEDED"), run("jr_2", "STOPPING"), run("jr_3")])
    world.fake.answers["BatchStopJobRun"] = refused
    for run_id in ("jr_1", "jr_2", "jr_9"):
        GLUE.stop(world.client, f"daily/{run_id}")
    with pytest.raises(JobError, match="Glue did not stop daily/jr_3: not now"):
        GLUE.stop(world.client, "daily/jr_3")


def test_differences_compare_the_run_alone(glue):
    arguments = {"--scriptLocation": "s3://b/daily.py", "--day": "2", TOKEN_ARGUMENT: "t-1"}
    world = glue(runs=[run("jr", Arguments=arguments)])
    assert GLUE.differences(world.client, REQUEST, "daily/jr") == ("Arguments.--day",)


def test_requests():
    (create, created), (start_run, started) = GLUE.requests(REQUEST)
    assert (create, created["Name"], start_run) == ("CreateJob", "daily", "StartJobRun")
    assert "Definition" not in started
    assert [name for name, _ in GLUE.requests({"JobName": "daily"})] == ["StartJobRun"]


def test_places():
    spark = {"Definition": {"Command": {"Name": "glueetl"}}}
    shell = {"Definition": {"Command": {"Name": "pythonshell"}}}
    following = {
        **spark,
        "Arguments": {
            "--enable-continuous-cloudwatch-log": "true",
            "--continuous-log-logGroup": "/mine",
        },
    }
    assert GLUE.logs("daily/jr", spark) == (
        LogStreams("/aws-glue/jobs/output", "jr"),
        LogStreams("/aws-glue/jobs/error", "jr"),
    )
    assert GLUE.logs("daily/jr", shell)[0] == LogStreams("/aws-glue/python-jobs/output", "jr")
    assert len(GLUE.logs("daily/jr", {})) == 4
    assert GLUE.logs("daily/jr", following)[-1] == LogStreams("/mine", "jr")
    assert GLUE.console_path("a/b/jr") == "gluestudio/home#/job/a/b/run/jr"


def test_actions_are_those_of_the_calls(begin, glue):
    world = glue(jobs={"daily": {}})
    assert begin(GLUE, world.client, REQUEST, "t").how is How.CREATED
    assert begin(GLUE, world.client, {**REQUEST, "JobName": "daily"}, "t").how is How.ATTACHED
    world.jobs.clear()
    begin(GLUE, world.client, REQUEST, "other")
    GLUE.state(world.client, "daily/jr_0")
    GLUE.states(world.client, ["daily/jr_0", "daily/jr_1"], 0.0)
    GLUE.stop(world.client, "daily/jr_0")
    assert world.fake.actions == GLUE.actions
