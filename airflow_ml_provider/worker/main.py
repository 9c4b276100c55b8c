"""The program of a worker job: ``run.py <step.json> <file for the message>``."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_ml_provider.extract.errors import ExtractError
from airflow_ml_provider.jobs.errors import JobError, error_code
from airflow_ml_provider.jobs.token import call_token
from airflow_ml_provider.worker.connect import connect
from airflow_ml_provider.worker.errors import StepError, StoppedError
from airflow_ml_provider.worker.values import filled, token_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_ml_provider.jobs.state import Json

log = logging.getLogger(__name__)

_MAX_CHARACTERS = 900  # of SageMaker's 1,024 for a reason
STOPPED = 143
"""What a shell makes of SIGTERM."""


def main() -> None:
    """Do the step. Its last line goes to the log and to the message file, which AWS shows.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProcessingJob.html
    """
    step_file, message_file = map(Path, sys.argv[1:3])
    code, said = outcome(step_file.read_bytes, os.environ)
    message_file.parent.mkdir(parents=True, exist_ok=True)
    message_file.write_text(said, encoding="utf-8")
    sys.exit(code)


def outcome(read: Callable[[], bytes], variables: Mapping[str, str]) -> tuple[int, str]:
    """Do the step that ``read`` gives, and give the exit code and the last line of the log."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stdout,
        format="%(levelname)s %(name)s: %(message)s",
        force=True,  # what started this program may have set up a log of its own
    )
    signal.signal(signal.SIGTERM, _stop)
    code, said = _outcome(read, variables)
    said = " ".join(said.split())[:_MAX_CHARACTERS]
    log.log(logging.ERROR if code else logging.INFO, "%s", said)
    return code, said


def run(step: Json, variables: Mapping[str, str]) -> str:
    """Do the work of a step file with the values of ``variables``, and say what was done."""
    prefix = token_of(filled(step.get("identity", []), variables))
    work: dict[str, Any] = filled(step, variables, call_token(prefix))
    # Each imports much that the others do not need.
    if "extract" in work:
        from airflow_ml_provider.worker import sql_extract  # noqa: PLC0415

        return sql_extract.run(work["extract"], connect)
    if "glue" in work:
        from airflow_ml_provider.worker import glue_run  # noqa: PLC0415

        return glue_run.run(work["glue"], partial(connect, repeats=False), prefix)
    from airflow_ml_provider.worker import api_call  # noqa: PLC0415

    return api_call.run(work["call"], connect)


def _outcome(read: Callable[[], bytes], variables: Mapping[str, str]) -> tuple[int, str]:
    name = ""
    try:
        step = json.loads(read())
        name = f"step {step['step']!r}: "
        return 0, f"{name}{run(step, variables)}"
    except StoppedError:
        return STOPPED, f"{name}stopped"
    except Exception as error:
        if not (isinstance(error, (StepError, ExtractError, JobError)) or error_code(error)):
            log.exception("This was not foreseen.")
        return 1, f"{name}{type(error).__name__}: {error}"


def _stop(_signal: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is to be done now takes a moment
    raise StoppedError
