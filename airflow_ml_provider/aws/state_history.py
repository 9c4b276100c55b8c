"""The history of a state machine's execution: its task states, their failures, their pauses.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.pause import Pause

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

_FAILURES = frozenset({"TaskFailed", "TaskStartFailed", "TaskSubmitFailed", "TaskTimedOut"})
# Of a SageMaker job, a Glue run, an EMR Serverless run, a Lambda function.
_REASONS = ("FailureReason", "ErrorMessage", "StateDetails", "errorMessage")
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
_ATTEMPTS, _INTERVAL_SECONDS, _BACKOFF = 3, 1, 2.0


@dataclass
class Visit:
    """One entering of a task state; ``failures`` are (error, reason) of the tries that failed.

    ``failed`` says whether the last of its tries so far did, ``ended`` is when that was.
    """

    entry: int
    name: str
    began: datetime
    ended: datetime | None = None
    exited: bool = False
    failed: bool = False
    failures: list[tuple[str, str]] = field(default_factory=list)


def told(details: Mapping[str, Any]) -> str:
    """Give an error and its cause as one text; empty if there is neither."""
    return ": ".join(filter(None, [details.get("error"), _cause(details.get("cause", ""))]))


def visits(events: Iterable[Mapping[str, Any]]) -> list[Visit]:
    """Give the visits of task states in the order of their starts."""
    found: list[Visit] = []
    # Branches run beside each other: whose an event is, only the one before it says.
    visit_of: dict[int, Visit] = {}
    for event in events:
        kind = event["type"]
        if kind == "TaskStateEntered":
            name = event["stateEnteredEventDetails"]["name"]
            found.append(Visit(event["id"], name, event["timestamp"]))
            visit_of[event["id"]] = found[-1]
        elif visit := visit_of.get(event.get("previousEventId", 0)):
            if kind == "TaskStateExited":
                visit.ended, visit.exited = event["timestamp"], True
                continue
            visit_of[event["id"]] = visit
            visit.failed = kind in _FAILURES
            if visit.failed:
                details = event.get(f"t{kind[1:]}EventDetails", {})
                visit.failures.append((details.get("error", ""), told(details)))
                visit.ended = event["timestamp"]
    return found


def pauses(of: Iterable[Visit], definition: Mapping[str, Any]) -> Iterator[tuple[Visit, Pause]]:
    """Give the pauses that a running execution is in; ``definition`` is its state machine's."""
    states = _states(definition)
    for visit in of:
        if not visit.failed or visit.exited:
            continue
        retriers = states[visit.name].get("Retry", ())
        used = [_retrier(retriers, error) for error, _ in visit.failures]
        retrier, tried = used[-1], len(used)
        if retrier is None:
            continue
        number = used.count(retrier)
        left = retrier.get("MaxAttempts", _ATTEMPTS) - number
        if left >= 0:
            seconds = retrier.get("IntervalSeconds", _INTERVAL_SECONDS)
            seconds *= retrier.get("BackoffRate", _BACKOFF) ** (number - 1)
            yield (
                visit,
                Pause(
                    step=visit.name,
                    tried=tried,
                    tries=tried + 1 + left,
                    reason=visit.failures[-1][1],
                    seconds=min(seconds, retrier.get("MaxDelaySeconds", seconds)),
                    jitter=retrier.get("JitterStrategy") == "FULL",
                ),
            )


def _cause(cause: str) -> str:
    # A state that ran a job to its end has the job's whole description as its cause.
    try:
        described = json.loads(cause)
    except ValueError:
        return cause
    fields = described if isinstance(described, dict) else {}
    return str(next((fields[name] for name in _REASONS if fields.get(name)), cause))


def _states(machine: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = dict(machine["States"])
    for state in machine["States"].values():
        for inner in [*state.get("Branches", ()), state.get("ItemProcessor")]:
            found |= _states(inner) if inner else {}
    return found


def _retrier(retriers: Iterable[Mapping[str, Any]], error: str) -> Mapping[str, Any] | None:
    names = {error, "States.ALL"}
    if error != "States.Timeout":
        names.add("States.TaskFailed")
    return next((one for one in retriers if names.intersection(one["ErrorEquals"])), None)
