"""The rows of a query as Airflow's operator and a worker job extract them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract import extraction
from airflow_ml_provider.extract.dbapi import DbapiSource
from airflow_ml_provider.extract.errors import EmptyResult, NoRows
from airflow_ml_provider.extract.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_ml_provider.extract.manifest import Manifest

log = logging.getLogger(__name__)


def extract_query(
    connect: Callable[[], Any],
    *,
    conn_id: str,
    query: str | None,
    table: str | None,
    parameters: Mapping[str, Any],
    defaults: Mapping[str, Any],
    columns: Mapping[str, str],
    output: str,
    on_empty: str,
    kms_key_id: str | None,
    client: Any,
) -> Manifest:
    """Extract a query or a table to ``output``, and give the manifest.

    :param defaults: what the run brings, which a query need not use and ``parameters`` may replace.
    :param on_empty: ``continue`` publishes an empty dataset; with any other no rows are an error.
    :param client: a boto3 S3 client.
    :raises NoRows: there are none, and there have to be.
    :raises ExtractError: see `extract.errors`.
    """
    selection = Selection(
        name=conn_id,
        query=query,
        table=table,
        parameters={name: parameters[name] for name in parameters if name not in defaults},
        defaults={name: parameters.get(name, value) for name, value in defaults.items()},
        columns=columns,
    )
    source = DbapiSource(selection, connect)
    key = kms_key_id
    options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else None
    none = f"{conn_id} gave no rows (on_empty={on_empty!r})"
    try:
        manifest = extraction.extract(source, output, client=client, options=options)
    except EmptyResult as error:
        if on_empty != "continue":
            raise NoRows(none) from error
        raise EmptyResult(f"There are no rows, and {error}") from error
    if manifest.rows == 0:
        if on_empty != "continue":
            raise NoRows(none)
        log.warning("%s: an empty dataset was published.", none)
    return manifest
