"""Runs of deployed pipelines: a state machine's executions, a SageMaker pipeline's."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs import sagemaker_pipeline, state_machine
from airflow_ml_provider.jobs.state import Phase
from airflow_ml_provider.targets.run_input import execution_input, pipeline_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airflow_ml_provider.targets.compile import Compiled

# The words of the two services differ, so that one table holds both.
_PHASES = {**state_machine.PHASES, **sagemaker_pipeline.PHASES}


@dataclass(frozen=True)
class Execution:
    """One run: ``status`` is the service's own word, ``reason`` why it failed."""

    arn: str
    status: str
    reason: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return _phase(self.status).final

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return _phase(self.status) is Phase.SUCCEEDED


def start(
    compiled: Compiled,
    arn: str,
    interval: tuple[datetime, datetime],
    client: Callable[[str], Any],
    *,
    parameters: Mapping[str, Any] | None = None,
    token: str,
) -> str:
    """Start a run for the data interval [start, end) and give its ARN.

    :param arn: what :func:`deployment.deploy` gave.
    :param token: 32 to 80 letters, digits and dashes; the same token never starts a second run.
    :raises PipelineError: the pipeline has no such parameter.
    """
    given = parameters or {}
    if compiled.target == "step-functions":
        text = json.dumps(execution_input(compiled.plan, *interval, given))
        answer = client("stepfunctions").start_execution(
            stateMachineArn=arn, name=token, input=text
        )
        return str(answer["executionArn"])
    answer = client("sagemaker").start_pipeline_execution(
        PipelineName=arn.rpartition("/")[2],
        ClientRequestToken=token,
        PipelineParameters=pipeline_parameters(compiled.plan, compiled.document, *interval, given),
    )
    return str(answer["PipelineExecutionArn"])


def describe(arn: str, client: Callable[[str], Any]) -> Execution:
    """Ask how a run is."""
    if ":states:" in arn:
        answer = client("stepfunctions").describe_execution(executionArn=arn)
        told = [answer.get("error"), _failure(answer.get("cause", ""))]
        return Execution(arn, answer["status"], ": ".join(filter(None, told)) or None)
    answer = client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)
    told = [answer.get("FailureReason")]
    if answer["PipelineExecutionStatus"] == "Failed":
        told += [
            f"{one['StepName']}: {one['FailureReason']}"
            for one in _pipeline_steps(arn, client)
            if "FailureReason" in one
        ]
    return Execution(arn, answer["PipelineExecutionStatus"], "\n".join(filter(None, told)) or None)


def wait(arn: str, client: Callable[[str], Any], *, poll_seconds: float = 5.0) -> Execution:
    """Wait until a run has ended."""
    while not (found := describe(arn, client)).ended:
        time.sleep(poll_seconds)
    return found


def steps(arn: str, client: Callable[[str], Any]) -> list[tuple[str, str, float | None]]:
    """List what a run went through: name, status and seconds, in the order of their starts."""
    if ":states:" in arn:
        pages = client("stepfunctions").get_paginator("get_execution_history")
        return _states(e for page in pages.paginate(executionArn=arn) for e in page["events"])
    found = _pipeline_steps(arn, client)
    return [(one["StepName"], one["StepStatus"], _seconds(one)) for one in found]


def _phase(status: str) -> Phase:
    return _PHASES.get(status, Phase.RUNNING)


def _failure(cause: str) -> str:
    # A state that ran a job to its end has the job's whole description as its cause.
    try:
        described = json.loads(cause)
    except ValueError:
        return cause
    said = described.get("FailureReason") if isinstance(described, dict) else None
    return str(said or cause)


def _pipeline_steps(arn: str, client: Callable[[str], Any]) -> list[dict[str, Any]]:
    pages = client("sagemaker").get_paginator("list_pipeline_execution_steps")
    return [
        one
        for page in pages.paginate(PipelineExecutionArn=arn, SortOrder="Ascending")
        for one in page["PipelineExecutionSteps"]
    ]


def _states(events: Any) -> list[tuple[str, str, float | None]]:
    entered: dict[str, Any] = {}
    exited: dict[str, Any] = {}
    for event in events:
        if event["type"] == "TaskStateEntered":
            entered.setdefault(event["stateEnteredEventDetails"]["name"], event["timestamp"])
        elif event["type"] == "TaskStateExited":
            exited[event["stateExitedEventDetails"]["name"]] = event["timestamp"]
    return [
        (name, "Succeeded", (exited[name] - began).total_seconds())
        if name in exited
        else (name, "Failed", None)
        for name, began in entered.items()
    ]


def _seconds(step: Mapping[str, Any]) -> float | None:
    if "EndTime" not in step or "StartTime" not in step:
        return None
    return float((step["EndTime"] - step["StartTime"]).total_seconds())
