from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from airflow_ml_provider.jobs.errors import JobNotFoundError
from airflow_ml_provider.jobs.start import How
from airflow_ml_provider.jobs.state import Phase
from airflow_ml_provider.jobs.state_machine import STATE_MACHINE

NOW = datetime.now(timezone.utc)
PLACE = "arn:aws:states:eu-west-1:123456789012"
MACHINE = f"{PLACE}:stateMachine:flights"
REQUEST = {"stateMachineArn": MACHINE, "input": {"day": "2013-08-29", "tries": 1}}


def arn(name, machine="flights"):
    return f"{PLACE}:execution:{machine}:{name}"


def execution(status="RUNNING", **fields):
    return {
        "executionArn": arn("t-1"),
        "stateMachineArn": MACHINE,
        "name": "t-1",
        "status": status,
        "startDate": NOW,
        "input": '{"day": "2013-08-29", "tries": 1}',
        **fields,
    }


@pytest.mark.parametrize("suffix", ["", ":7", ":PROD"])
def test_starts_under_the_token_and_is_found_by_it(aws, begin, refusal, suffix):
    request = {**REQUEST, "stateMachineArn": MACHINE + suffix}
    fake = aws(
        "stepfunctions",
        DescribeExecution=[refusal("ExecutionDoesNotExist"), execution(), execution()],
        StartExecution={"executionArn": arn("t-1"), "startDate": NOW},
    )
    started = begin(STATE_MACHINE, fake.client, request, "t")
    assert (started.job_id, started.how) == (arn("t-1"), How.CREATED)
    assert fake.calls[-1][1] == {
        "stateMachineArn": MACHINE + suffix,
        "name": "t-1",
        "input": '{"day": "2013-08-29", "tries": 1}',
    }
    assert begin(STATE_MACHINE, fake.client, request, "t").how is How.ATTACHED


def test_a_taken_name_is_the_execution_and_another_refusal_is_raised(aws, refusal):
    taken, denied = refusal("ExecutionAlreadyExists"), refusal("AccessDeniedException")
    fake = aws("stepfunctions", StartExecution=[taken, denied])
    text = {"stateMachineArn": MACHINE, "input": "{}"}
    assert STATE_MACHINE.submit(fake.client, text, "t-1") == arn("t-1")
    with pytest.raises(Exception, match="AccessDenied"):
        STATE_MACHINE.submit(fake.client, text, "t-1")


def test_a_success_has_its_output(aws):
    fake = aws("stepfunctions", DescribeExecution=execution("SUCCEEDED", output='{"auc": 0.7}'))
    state = STATE_MACHINE.state(fake.client, arn("t-1"))
    assert state.phase is Phase.SUCCEEDED
    assert state.result == {
        "executionArn": arn("t-1"),
        "stateMachineArn": MACHINE,
        "name": "t-1",
        "output": {"auc": 0.7},
    }
    assert json.dumps(state.result)


@pytest.mark.parametrize(
    ("answer", "phase", "reason"),
    [
        (execution("FAILED", error="E", cause="no data"), Phase.FAILED, "E: no data"),
        (execution("FAILED"), Phase.FAILED, None),
        (execution("TIMED_OUT"), Phase.FAILED, None),
        (execution("ABORTED", cause="by hand"), Phase.STOPPED, "by hand"),
        (execution("PENDING_REDRIVE"), Phase.RUNNING, None),
    ],
)
def test_phases_and_reasons(aws, answer, phase, reason):
    state = STATE_MACHINE.state(aws("stepfunctions", DescribeExecution=answer).client, "j")
    assert (state.phase, state.reason) == (phase, reason)


def test_a_refused_describe_is_not_a_missing_execution(aws, refusal):
    fake = aws("stepfunctions", DescribeExecution=refusal("AccessDeniedException"))
    with pytest.raises(Exception, match="AccessDenied"):
        STATE_MACHINE.find(fake.client, REQUEST, "t-1")
    fake = aws("stepfunctions", DescribeExecution=refusal("ExecutionDoesNotExist"))
    with pytest.raises(JobNotFoundError):
        STATE_MACHINE.state(fake.client, arn("t-1"))


def test_running_executions_are_listed_by_machine(aws):
    def listed(**request):
        assert request["statusFilter"] == "RUNNING"
        name = request["stateMachineArn"].rpartition(":")[2]
        return {"executions": [{"executionArn": arn("a", name), "status": "RUNNING"}]}

    fake = aws("stepfunctions", ListExecutions=listed)
    wanted = [arn("a"), arn("b"), arn("a", "other")]
    assert STATE_MACHINE.states(fake.client, wanted, 0.0).keys() == {arn("a")}
    ((_, request),) = fake.calls
    assert request["stateMachineArn"] == MACHINE


def test_stop(aws, refusal):
    STATE_MACHINE.stop(aws("stepfunctions", StopExecution={"stopDate": NOW}).client, "j")
    gone = refusal("ExecutionDoesNotExist")
    STATE_MACHINE.stop(aws("stepfunctions", StopExecution=gone, DescribeExecution=gone).client, "j")
    denied = refusal("AccessDeniedException")
    for answer in (execution("ABORTED"), execution()):
        fake = aws("stepfunctions", StopExecution=denied, DescribeExecution=answer)
        if answer["status"] == "ABORTED":
            STATE_MACHINE.stop(fake.client, "j")
        else:
            with pytest.raises(Exception, match="AccessDenied"):
                STATE_MACHINE.stop(fake.client, "j")


def test_differences_are_those_of_the_input(aws):
    other = execution(input='{"day": "2013-08-29", "tries": 2}')
    fake = aws("stepfunctions", DescribeExecution=other)
    assert STATE_MACHINE.differences(fake.client, REQUEST, "j") == ("input.tries",)
    assert STATE_MACHINE.differences(fake.client, {"stateMachineArn": MACHINE}, "j") == ()


def test_places():
    ((operation, params),) = STATE_MACHINE.requests(REQUEST)
    assert operation == "StartExecution"
    assert json.loads(params["input"]) == REQUEST["input"]
    assert params["name"]
    assert STATE_MACHINE.logs("j", {}) == ()
    path = f"states/home#/v2/executions/details/{arn('t-1')}"
    assert STATE_MACHINE.console_path(arn("t-1")) == path
    assert {action.partition(":")[0] for action in STATE_MACHINE.actions} == {"states"}
