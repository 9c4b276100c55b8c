"""A Glue run in a worker job: started exactly once, waited for, stopped with the job."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.logs import LogReader
from airflow_ml_provider.aws.validation import coerce_job_request, job_request_problems
from airflow_ml_provider.aws.watcher import wait_for
from airflow_ml_provider.jobs.errors import JobFailedError, JobTimeoutError
from airflow_ml_provider.jobs.glue import GLUE
from airflow_ml_provider.jobs.patience import insist
from airflow_ml_provider.jobs.start import find_running, start
from airflow_ml_provider.jobs.state import Phase
from airflow_ml_provider.worker.errors import StepError, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.jobs.state import JobState, Json

log = logging.getLogger(__name__)

_LOG_LINES = 1000
# SageMaker kills a stopped job after two minutes.
_STOP_SECONDS = 60.0
# Pauses before the looks for a run whose start was interrupted.
_LOOKS = (0.0, 0.5, 0.5, 1.0, 1.0)


def run(work: Json, connect: Callable[[str], Any], token_prefix: str) -> str:
    """Start the run of ``token_prefix`` or attach to it, wait, and say how it ended.

    ``connect`` must give clients that repeat nothing by themselves.

    :raises StepError: AWS would refuse the request; all problems are named.
    :raises JobFailedError: the run ended, but not in success.
    :raises JobTimeoutError: it took longer than ``seconds`` of the work; it was stopped.
    """
    request = coerce_job_request(GLUE, work["request"])
    if problems := job_request_problems(GLUE, request):
        raise StepError(f"Glue would refuse the request: {' '.join(problems)}")
    deadline = time.time() + work["seconds"]

    def glue() -> Any:
        return connect("glue")

    state: JobState | None = None
    try:
        state = start(GLUE, glue, request, token_prefix, deadline=deadline).state
        if not state.phase.final:
            state = wait_for(GLUE, glue, state.job_id, deadline)
    except (StoppedError, JobTimeoutError):
        _stop(glue(), request, token_prefix, state)
        raise
    _print_log(connect, state, request)
    if state.phase is not Phase.SUCCEEDED:
        raise JobFailedError(GLUE.name, state)
    return f"Glue run {state.job_id} ended as {state.status}"


def _stop(client: Any, request: Json, token_prefix: str, state: JobState | None) -> None:
    # The call that was interrupted may be carried out yet.
    for pause_seconds in () if state else _LOOKS:
        time.sleep(pause_seconds)
        if state := find_running(GLUE, client, request, [token_prefix]):
            break
    if state:
        job_id = state.job_id
        deadline = time.time() + _STOP_SECONDS
        insist(lambda: GLUE.stop(client, job_id), f"Stopping {job_id}", deadline)
        log.warning("Stopped Glue run %s.", job_id)


def _print_log(connect: Callable[[str], Any], state: JobState, request: Json) -> None:
    try:
        reader = LogReader(connect("logs"), GLUE.logs(state.job_id, request))
        for line in reader.new_lines(_LOG_LINES):
            log.info("%s", line)
    except Exception as error:  # noqa: BLE001 - the run is what counts
        log.warning("The run's log can't be read: %s", error)
