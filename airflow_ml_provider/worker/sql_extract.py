"""An extract in a worker job: what ``SqlExtractOperator`` does, with the connection's secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract.errors import EmptyResult
from airflow_ml_provider.jobs.errors import is_not_found
from airflow_ml_provider.worker.errors import StepError
from airflow_ml_provider.worker.packages import install

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.jobs.state import Json

log = logging.getLogger(__name__)

# https://docs.aws.amazon.com/mwaa/latest/userguide/connections-secrets-manager.html
PREFIX = "airflow/connections/"


def run(work: Json, connect: Callable[[str], Any]) -> str:
    """Read the rows, write Parquet and the manifest, and say how many there were.

    :raises ExtractError: what went wrong in the database or on S3.
    :raises StepError: no secret, or no rows where there must be some.
    """
    install(work["requirements"])
    from airflow_ml_provider.extract.connect import connector  # noqa: PLC0415 - after `install`
    from airflow_ml_provider.extract.extraction import extract  # noqa: PLC0415
    from airflow_ml_provider.extract.source import DbapiSource  # noqa: PLC0415

    conn_id, key = work["conn_id"], work["kms_key_id"]
    source = DbapiSource(
        name=conn_id,
        connect=connector(conn_id, _secret(connect("secretsmanager"), conn_id)),
        query=work["query"],
        table=work["table"],
        parameters=work["parameters"],
        defaults=work["defaults"],
        columns=work["columns"],
    )
    options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else None
    try:
        manifest = extract(source, work["output"], client=connect("s3"), options=options)
    except EmptyResult as error:
        _check_empty(work)
        message = f"there are no rows, and {error}"
        raise StepError(message) from error
    if manifest.rows == 0:
        _check_empty(work)
        log.warning("%s gave no rows: an empty dataset was published.", conn_id)
    return f"{manifest.rows:,} rows, {manifest.size_bytes:,} bytes in {work['output']}"


def _check_empty(work: Json) -> None:
    if work["on_empty"] != "continue":
        message = f"{work['conn_id']} gave no rows (on_empty={work['on_empty']!r})"
        raise StepError(message)


def _secret(client: Any, conn_id: str) -> str:
    name = f"{PREFIX}{conn_id}"
    try:
        answer = client.get_secret_value(SecretId=name)
    except Exception as error:
        if not is_not_found(error):
            raise
        message = (
            f"connection {conn_id!r}: Secrets Manager has no secret {name}; create it with the "
            "connection's URI or JSON"
        )
        raise StepError(message) from error
    if "SecretString" not in answer:
        message = f"connection {conn_id!r}: secret {name} is binary, and must be text"
        raise StepError(message)
    return str(answer["SecretString"])
