"""The program of a Glue Python shell job: what its arguments say lies on S3.

https://docs.aws.amazon.com/glue/latest/dg/add-job-python.html
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow_ml_provider.jobs.s3_uri import split_s3_uri
from airflow_ml_provider.worker.connect import connect
from airflow_ml_provider.worker.errors import StepError
from airflow_ml_provider.worker.main import STOPPED, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEP = "airflow-ml-step"


def main() -> None:
    """Do the step. Glue shows the text of the exception that ends a run as its error.

    :raises StepError: whatever went wrong, in one line; the log has the rest.
    """
    given = arguments(sys.argv[1:])
    code, said = outcome(lambda: _read(given.get(_STEP, "")), given)
    if code == STOPPED:
        sys.exit(code)
    if code:
        raise StepError(said)


def arguments(words: Sequence[str]) -> dict[str, str]:
    """Read ``--name value`` and ``--name=value``; a value loses the ``=`` that it begins with.

    Names and values of Glue's own among them do no harm.
    """
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if equals:
                found[name], name = value, ""
        elif name:
            found[name], name = word, ""
    return {name: value.removeprefix("=") for name, value in found.items()}


def _read(uri: str) -> bytes:
    bucket, key = split_s3_uri(uri)
    body: bytes = connect("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body
