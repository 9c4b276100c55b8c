"""What an environment's machines logged when they installed its requirements.

Where an installation fails, MWAA only logs that, and Airflow starts without the packages.
https://docs.aws.amazon.com/mwaa/latest/userguide/t-create-update-environment.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import error_code
from airflow_ml_provider.mwaa.finding import ERROR, GOOD, INSTALLED, SKIPPED, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airflow_ml_provider.mwaa.environment import Environment

_STREAMS = "requirements_install"
_BAD = ("ERROR", "Traceback")
# The image's own word of it. pip logs errors of an installation that went well, too:
# https://github.com/aws/amazon-mwaa-docker-images/blob/main/images/airflow/3.0.6/python/mwaa/entrypoint.py
_FAILED = "pip installation exited with a non-zero error code"
_SHOWN = 5


def install_log_findings(logs: Any, environment: Environment) -> Iterator[Finding]:
    """Say whether machines of an environment failed to install its requirements.

    :param logs: a boto3 client of ``logs``.
    """
    name = environment.name
    since = environment.update.created_at if environment.update else None
    if not environment.log_groups:
        said = f"what {name!r} installed: none of its scheduler, worker and web server logs are on"
        yield Finding(INSTALLED, SKIPPED, said, "turn the scheduler's logs on, at level INFO")
        return
    seen = complained = False
    for group in environment.log_groups:
        lines = [*_lines(logs, group, since)]
        seen = seen or bool(lines)
        bad = dict.fromkeys(line for line in lines if any(word in line for word in _BAD))
        if bad:
            complained = True
            failed = any(_FAILED in line for line in bad)
            said = "the installation failed" if failed else "the installation logged errors"
            said = f"{group}: {said}:\n" + "\n".join([*bad][:_SHOWN])
            mend = "airflow-ml mwaa doctor --requirements says what conflicts"
            yield Finding(INSTALLED, ERROR if failed else WARNING, said, mend)
    if not seen:
        said = f"what {name!r} installed: none of its machines has logged that"
        yield Finding(INSTALLED, SKIPPED, said, f"look for {_STREAMS}_... in the scheduler's log")
    elif not complained:
        yield Finding(INSTALLED, GOOD, f"{name!r}: no machine logged an error as it installed")


def _lines(logs: Any, group: str, since: datetime | None) -> Iterator[str]:
    began = {"startTime": int(since.timestamp() * 1000)} if since else {}
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, logStreamNamePrefix=_STREAMS, **began
    )
    try:
        for page in pages:
            yield from (event["message"] for event in page["events"])
    except Exception as error:
        # No machine has logged there yet.
        if error_code(error) != "ResourceNotFoundException":
            raise
