# ruff: noqa: N803 - the arguments have AWS's own names
from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_ml_provider.jobs.emr_serverless import EMR_SERVERLESS
from airflow_ml_provider.jobs.errors import JobNotFoundError
from airflow_ml_provider.jobs.start import How
from airflow_ml_provider.jobs.state import LogStreams, Phase

NOW = datetime.now(timezone.utc)
ROLE = "arn:aws:iam::123456789012:role/emr"
REQUEST = {
    "applicationId": "app",
    "executionRoleArn": ROLE,
    "jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/daily.py"}},
}


class Emr:
    """Job runs as EMR Serverless keeps them: one for each client token."""

    def __init__(self, aws, refusal):
        self.runs = {}
        self.refusal = refusal
        self.fake = aws(
            "emr-serverless",
            StartJobRun=self.start,
            GetJobRun=self.get,
            ListJobRuns=self.list,
            CancelJobRun=self.cancel,
        )
        self.client = self.fake.client

    def start(self, clientToken, name, applicationId, executionRoleArn, **request):
        run_id = f"jr-{clientToken}"
        self.runs.setdefault(
            run_id,
            {
                "applicationId": applicationId,
                "jobRunId": run_id,
                "arn": "arn",
                "name": name,
                "state": "RUNNING",
                "stateDetails": "",
                "executionRole": executionRoleArn,
                "createdAt": NOW,
                **request,
            },
        )
        return {"applicationId": applicationId, "jobRunId": run_id, "arn": "arn"}

    def get(self, applicationId, jobRunId):
        if jobRunId not in self.runs:
            return self.refusal("ResourceNotFoundException")
        return {"jobRun": self.runs[jobRunId]}

    def list(self, applicationId, states=(), **_):
        return {
            "jobRuns": [
                {**run, "id": run["jobRunId"]}
                for run in self.runs.values()
                if not states or run["state"] in states
            ]
        }

    def cancel(self, applicationId, jobRunId):
        self.runs[jobRunId]["state"] = "CANCELLING"
        return {}


@pytest.fixture
def emr(aws, refusal):
    return Emr(aws, refusal)


def test_the_token_is_client_token_and_name(emr):
    assert EMR_SERVERLESS.submit(emr.client, REQUEST, "t-1") == "app/jr-t-1"
    assert EMR_SERVERLESS.submit(emr.client, REQUEST, "t-1") == "app/jr-t-1"
    assert len(emr.runs) == 1
    assert EMR_SERVERLESS.find(emr.client, REQUEST, "t-1").phase is Phase.RUNNING
    assert EMR_SERVERLESS.find(emr.client, REQUEST, "t-2") is None


def test_a_conflict_is_the_run_there_is(emr, refusal):
    EMR_SERVERLESS.submit(emr.client, REQUEST, "t-1")
    emr.fake.answers["StartJobRun"] = refusal("ConflictException", "other parameters")
    assert EMR_SERVERLESS.submit(emr.client, REQUEST, "t-1") == "app/jr-t-1"


@pytest.mark.parametrize("code", ["ConflictException", "ValidationException"])
def test_another_refusal_is_passed_on(emr, refusal, code):
    emr.fake.answers["StartJobRun"] = refusal(code)
    with pytest.raises(Exception, match=code):
        EMR_SERVERLESS.submit(emr.client, REQUEST, "t-1")


@pytest.mark.parametrize(
    ("status", "phase", "stopping"),
    [
        ("QUEUED", Phase.RUNNING, False),
        ("CANCELLING", Phase.RUNNING, True),
        ("SUCCESS", Phase.SUCCEEDED, False),
        ("FAILED", Phase.FAILED, False),
        ("CANCELLED", Phase.STOPPED, False),
    ],
)
def test_phases(emr, status, phase, stopping):
    EMR_SERVERLESS.submit(emr.client, REQUEST, "t-1")
    emr.runs["jr-t-1"].update(state=status, stateDetails="because")
    state = EMR_SERVERLESS.state(emr.client, "app/jr-t-1")
    assert (state.phase, state.stopping, state.reason) == (phase, stopping, "because")


def test_a_result_is_small(emr):
    EMR_SERVERLESS.submit(emr.client, REQUEST, "t-1")
    emr.runs["jr-t-1"].update(state="SUCCESS", totalExecutionDurationSeconds=7)
    assert EMR_SERVERLESS.state(emr.client, "app/jr-t-1").result == {
        "applicationId": "app",
        "jobRunId": "jr-t-1",
        "arn": "arn",
        "name": "t-1",
        "totalExecutionDurationSeconds": 7,
    }


def test_an_unknown_run(emr, refusal):
    with pytest.raises(JobNotFoundError):
        EMR_SERVERLESS.state(emr.client, "app/jr")
    emr.fake.answers["GetJobRun"] = refusal("AccessDenied")
    with pytest.raises(Exception, match="AccessDenied"):
        EMR_SERVERLESS.state(emr.client, "app/jr")


def test_one_list_call_for_the_runs_of_an_application(emr):
    ids = [EMR_SERVERLESS.submit(emr.client, REQUEST, f"t-{number}") for number in range(4)]
    emr.runs["jr-t-0"]["state"] = "SUCCESS"
    emr.runs["jr-t-1"]["state"] = "CANCELLING"
    emr.fake.calls.clear()
    states = EMR_SERVERLESS.states(emr.client, [*ids, "other/jr"], 0.0)
    assert states.keys() == set(ids[1:])
    assert [states[name].stopping for name in ids[1:]] == [True, False, False]
    assert emr.fake.names() == ["ListJobRuns"]


def test_stopping(emr, refusal):
    ended = EMR_SERVERLESS.submit(emr.client, REQUEST, "t-1")
    running = EMR_SERVERLESS.submit(emr.client, REQUEST, "t-2")
    EMR_SERVERLESS.stop(emr.client, running)
    emr.fake.answers["CancelJobRun"] = refusal("ValidationException")
    emr.runs["jr-t-1"]["state"] = "SUCCESS"
    for job_id in (ended, running, "app/unknown"):
        EMR_SERVERLESS.stop(emr.client, job_id)
    emr.runs["jr-t-1"]["state"] = "RUNNING"
    with pytest.raises(Exception, match="ValidationException"):
        EMR_SERVERLESS.stop(emr.client, ended)
    emr.fake.answers["CancelJobRun"] = refusal("ThrottlingException")
    with pytest.raises(Exception, match="Throttling"):
        EMR_SERVERLESS.stop(emr.client, ended)


def test_differences_know_that_the_role_is_spelt_otherwise(emr):
    job_id = EMR_SERVERLESS.submit(emr.client, REQUEST, "t-1")
    assert EMR_SERVERLESS.differences(emr.client, REQUEST, job_id) == ()
    other = {**REQUEST, "executionTimeoutMinutes": 5}
    assert EMR_SERVERLESS.differences(emr.client, other, job_id) == ("executionTimeoutMinutes",)


def logging_to(**cloudwatch):
    configuration = {"cloudWatchLoggingConfiguration": cloudwatch}
    return {"configurationOverrides": {"monitoringConfiguration": configuration}}


@pytest.mark.parametrize(
    ("request_", "streams"),
    [
        ({}, ()),
        (logging_to(enabled=False), ()),
        (
            logging_to(enabled=True),
            (LogStreams("/aws/emr-serverless", "/applications/app/jobs/jr/"),),
        ),
        (
            logging_to(enabled=True, logGroupName="/mine", logStreamNamePrefix="p"),
            (LogStreams("/mine", "p/applications/app/jobs/jr/"),),
        ),
    ],
)
def test_logs(request_, streams):
    assert EMR_SERVERLESS.logs("app/jr", request_) == streams


def test_places():
    assert EMR_SERVERLESS.console_path("app/jr").startswith("emr/home")
    ((operation, params),) = EMR_SERVERLESS.requests(REQUEST)
    assert (operation, bool(params["clientToken"])) == ("StartJobRun", True)


def test_actions_are_those_of_the_calls(begin, emr):
    started = begin(EMR_SERVERLESS, emr.client, REQUEST, "t")
    assert started.how is How.CREATED
    assert begin(EMR_SERVERLESS, emr.client, REQUEST, "t").how is How.ATTACHED
    EMR_SERVERLESS.stop(emr.client, started.job_id)
    assert emr.fake.actions == EMR_SERVERLESS.actions
