"""The rows of a query as Airflow's operator and a worker job extract them."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract import extraction
from airflow_ml_provider.extract.checks import checks_of
from airflow_ml_provider.extract.errors import EmptyResult, HistoryInvalid, NoRows
from airflow_ml_provider.extract.runs.drift import Drift
from airflow_ml_provider.extract.runs.history import History
from airflow_ml_provider.extract.runs.watermark import claim
from airflow_ml_provider.extract.selection import Selection
from airflow_ml_provider.extract.sources import source_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_ml_provider.extract.connect import Connection
    from airflow_ml_provider.extract.publish.manifest import Manifest

log = logging.getLogger(__name__)


def extract_query(
    connection: Connection,
    connect: Callable[[], Any] | None,
    *,
    conn_id: str,
    query: str | None,
    table: str | None,
    parameters: Mapping[str, Any],
    defaults: Mapping[str, Any],
    columns: Mapping[str, str],
    partitions: int,
    partition_by: str | None,
    watermark: str | None,
    watermark_delay_seconds: float,
    on_drift: str,
    checks: Sequence[Mapping[str, Any]],
    memory_mb: int,
    history: str | None,
    run_key: str | None,
    output: str,
    on_empty: str,
    kms_key_id: str | None,
    client: Callable[[], Any],
) -> Manifest:
    """Extract a query or a table to ``output``, and give the manifest.

    :param connect: opens a DB-API connection; None where the type has no such driver.
    :param defaults: what the run brings, which a query need not use and ``parameters`` may replace.
    :param history: URI of what the step keeps from run to run; without it there is no watermark,
        and no schema to compare with.
    :param run_key: whose window of the watermark is claimed.
    :param on_empty: ``continue`` publishes an empty dataset; with any other no rows are an error.
    :param client: makes a boto3 S3 client; called once, when rows are on their way if that can be.
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
        partitions=partitions,
        partition_by=partition_by,
    )
    client = cache(client)
    key = kms_key_id
    options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
    past = History(client, history, options) if history else None
    drift = Drift(past, on_drift, conn_id, selection.definition_sha256, run_key) if past else None
    if drift:
        selection = replace(selection, published=drift.previous)
    empty = on_empty == "continue"
    source = source_for(connection, connect, selection)
    if watermark:
        if past is None or run_key is None:
            raise HistoryInvalid(
                f"{conn_id}: watermark {watermark!r} needs history= and run_key=, which say where "
                "the windows of the runs are kept and whose window this is"
            )
        window = claim(
            past,
            run_key,
            watermark,
            source.highest,
            name=conn_id,
            delay_seconds=watermark_delay_seconds,
            empty=empty,
        )
        source = source_for(connection, connect, replace(selection, window=window))
    try:
        with checks_of(checks, conn_id) as checked:
            manifest = extraction.extract(
                source,
                output,
                client=client,
                options=options,
                memory_mb=memory_mb,
                checks=checked,
                drift=drift,
                allow_empty=empty,
            )
    except EmptyResult as error:
        if empty:
            raise
        raise NoRows(f"{conn_id} gave no rows (on_empty={on_empty!r})") from error
    except NoRows as error:
        raise NoRows(f"{error} (on_empty={on_empty!r})") from error
    if manifest.rows == 0:
        log.warning("%s gave no rows: an empty dataset was published.", conn_id)
    return manifest
