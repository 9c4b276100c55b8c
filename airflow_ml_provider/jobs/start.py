"""Starting a job exactly once, whatever died before."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import RetryLaterError, TokensExhaustedError
from airflow_ml_provider.jobs.patience import insist
from airflow_ml_provider.jobs.state import JobState, Phase
from airflow_ml_provider.jobs.token import MAX_NUMBER, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_ml_provider.jobs.kind import JobKind
    from airflow_ml_provider.jobs.state import Json

log = logging.getLogger(__name__)


class How(str, Enum):
    """How the job of a task came to be its job."""

    CREATED = "created"
    ATTACHED = "attached"
    ADOPTED = "adopted"


@dataclass(frozen=True)
class Started:
    """The one job of a piece of work. A created job was not asked for its state yet."""

    job_id: str
    state: JobState
    how: How


def start(
    kind: JobKind,
    connect: Callable[[], Any],
    request: Json,
    token_prefix: str,
    *,
    deadline: float,
    earlier: Sequence[str] = (),
    stop_earlier: bool = False,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Started:
    """Find the job of ``token_prefix``, or start it.

    For n = 1, 2, ... the job ``<token_prefix>-<n>``: there is none: start it. It runs: attach. It
    succeeded: adopt its result. It failed or was stopped: look at the next n.

    ``earlier`` are the prefixes of former tries (before a person cleared the task): a job of theirs
    that still runs is attached to, not doubled, or with ``stop_earlier`` stopped and waited for; an
    ended one is left alone.

    A job that is being stopped, a throttle or a lost connection is waited out until ``deadline``
    (epoch seconds); an answer that was lost is found again by the token, because each attempt looks
    before it submits. So ``connect`` must give clients that repeat nothing by themselves.
    """
    return insist(
        lambda: _start(kind, connect(), request, token_prefix, earlier, stop_earlier=stop_earlier),
        f"Starting {token_prefix}",
        deadline,
        clock=clock,
        sleep=sleep,
    )


def find_running(
    kind: JobKind, client: Any, request: Json, token_prefixes: Iterable[str]
) -> JobState | None:
    """Look for the job of one of these prefixes that runs or is being stopped."""
    for prefix in token_prefixes:
        for number in range(1, MAX_NUMBER + 1):
            state = kind.find(client, request, token(prefix, number))
            if state is None:
                break
            if not state.phase.final:
                return state
    return None


def _start(
    kind: JobKind,
    client: Any,
    request: Json,
    token_prefix: str,
    earlier: Sequence[str],
    *,
    stop_earlier: bool,
) -> Started:
    running = find_running(kind, client, request, earlier)
    if running is not None:
        if stop_earlier and not running.stopping:
            kind.stop(client, running.job_id)
            raise RetryLaterError(f"{kind.name} job {running.job_id} of before is being stopped.")
        return _take(kind, client, request, running)
    for number in range(1, MAX_NUMBER + 1):
        name = token(token_prefix, number)
        state = kind.find(client, request, name)
        if state is None:
            job_id = kind.submit(client, request, name)
            log.info("Started %s job %s.", kind.name, job_id)
            return Started(job_id, JobState(job_id, Phase.RUNNING, "Submitted"), How.CREATED)
        if state.phase in {Phase.RUNNING, Phase.SUCCEEDED}:
            return _take(kind, client, request, state)
        log.info("%s job %s was %s before; not it.", kind.name, state.job_id, state.status)
    raise TokensExhaustedError(kind.name, token_prefix, MAX_NUMBER)


def _take(kind: JobKind, client: Any, request: Json, state: JobState) -> Started:
    if state.stopping:
        # Next to it a new one would write to the same place; attached to, it would fail the task.
        raise RetryLaterError(f"{kind.name} job {state.job_id} is still being stopped.")
    how = How.ATTACHED if state.phase is Phase.RUNNING else How.ADOPTED
    log.info("%s %s job %s (%s).", how.value.capitalize(), kind.name, state.job_id, state.status)
    different = kind.differences(client, request, state.job_id)
    if different:
        log.warning(
            "%s was started with another request; it differs in: %s",
            state.job_id,
            ", ".join(different),
        )
    return Started(state.job_id, state, how)
