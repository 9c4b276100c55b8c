"""Runs of deployed pipelines: a state machine's executions, a SageMaker pipeline's."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.state_history import pauses, told, visits
from airflow_ml_provider.jobs import sagemaker_pipeline, state_machine
from airflow_ml_provider.jobs.state import Phase
from airflow_ml_provider.targets.run_input import execution_input, pipeline_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from airflow_ml_provider.aws.state_history import Visit
    from airflow_ml_provider.jobs.pause import Pause
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


@dataclass(frozen=True)
class Step:
    """A step of a run: ``status`` is the service's own word, ``reason`` why it failed."""

    name: str
    status: str
    seconds: float | None
    reason: str | None = None


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
        return Execution(arn, answer["status"], told(answer) or None)
    answer = client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)
    reasons = [answer.get("FailureReason")]
    if answer["PipelineExecutionStatus"] == "Failed":
        reasons += [
            f"{one['StepName']}: {one['FailureReason']}"
            for one in _pipeline_steps(arn, client)
            if "FailureReason" in one
        ]
    return Execution(
        arn, answer["PipelineExecutionStatus"], "\n".join(filter(None, reasons)) or None
    )


def wait(
    arn: str,
    client: Callable[[str], Any],
    *,
    poll_seconds: float = 5.0,
    on_poll: Callable[[], None] = lambda: None,
) -> Execution:
    """Wait until a run has ended; ``on_poll`` is called each time that it has not."""
    while not (found := describe(arn, client)).ended:
        on_poll()
        time.sleep(poll_seconds)
    return found


def steps(arn: str, client: Callable[[str], Any]) -> list[Step]:
    """List what an ended run went through, in the order of their starts.

    A step that runs once an item of a map is one row of a state machine.
    """
    if ":states:" in arn:
        return list(_states(arn, client))
    return [
        Step(one["StepName"], one["StepStatus"], _seconds(one), one.get("FailureReason"))
        for one in _pipeline_steps(arn, client)
    ]


def retry_pauses(
    arn: str, client: Callable[[str], Any], definition: Mapping[str, Any]
) -> dict[tuple[int, int], Pause]:
    """Give the pauses between tries that a running execution is in, each with a key of its own.

    A SageMaker pipeline has none here: AWS tells neither why a try failed nor when the next is.
    """
    if ":states:" not in arn:
        return {}
    found = pauses(_visits(arn, client), definition)
    return {(visit.entry, pause.tried): pause for visit, pause in found}


def _phase(status: str) -> Phase:
    return _PHASES.get(status, Phase.RUNNING)


def _pipeline_steps(arn: str, client: Callable[[str], Any]) -> list[dict[str, Any]]:
    pages = client("sagemaker").get_paginator("list_pipeline_execution_steps")
    return [
        one
        for page in pages.paginate(PipelineExecutionArn=arn, SortOrder="Ascending")
        for one in page["PipelineExecutionSteps"]
    ]


def _states(arn: str, client: Callable[[str], Any]) -> Iterator[Step]:
    by_name: dict[str, list[Visit]] = {}
    for visit in _visits(arn, client):
        by_name.setdefault(visit.name, []).append(visit)
    for name, found in by_name.items():
        bad = [one for one in found if one.failed or not one.exited]
        reason = next((one.failures[-1][1] for one in bad if one.failures), None)
        ends = [one.ended for one in found if one.ended is not None]
        seconds = (max(ends) - found[0].began).total_seconds() if len(ends) == len(found) else None
        yield Step(name, "Failed" if bad else "Succeeded", seconds, reason)


def _visits(arn: str, client: Callable[[str], Any]) -> list[Visit]:
    pages = client("stepfunctions").get_paginator("get_execution_history")
    return visits(event for page in pages.paginate(executionArn=arn) for event in page["events"])


def _seconds(step: Mapping[str, Any]) -> float | None:
    if "EndTime" not in step or "StartTime" not in step:
        return None
    return float((step["EndTime"] - step["StartTime"]).total_seconds())
