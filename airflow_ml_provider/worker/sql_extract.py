"""An extract in a worker job: what ``SqlExtractOperator`` does, with the connection's secret."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import is_not_found
from airflow_ml_provider.worker.errors import StepError
from airflow_ml_provider.worker.packages import install

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.jobs.state import Json

# https://docs.aws.amazon.com/mwaa/latest/userguide/connections-secrets-manager.html
PREFIX = "airflow/connections/"


def run(work: Json, connect: Callable[[str], Any]) -> str:
    """Read the rows, write Parquet and the manifest, and say how many there were.

    :raises ExtractError: what went wrong in the database or on S3, or no rows where there must be
        some.
    :raises StepError: there is no secret.
    """
    fields = dict(work)
    install(fields.pop("requirements"))
    from airflow_ml_provider.extract.connect import (  # noqa: PLC0415 - after `install`
        connector,
        parse,
    )
    from airflow_ml_provider.extract.query import extract_query  # noqa: PLC0415

    conn_id = work["conn_id"]
    database = parse(conn_id, _secret(connect("secretsmanager"), conn_id))
    opener, client = connector(conn_id, database), partial(connect, "s3")
    manifest = extract_query(database, opener, client=client, **fields)
    return f"{manifest.rows:,} rows, {manifest.size_bytes:,} bytes in {work['output']}"


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
