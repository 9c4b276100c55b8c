"""Join a source and a sink: read, write, publish."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import datetime, timezone
from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract.arrow_types import type_name
from airflow_ml_provider.extract.errors import NoRows
from airflow_ml_provider.extract.memory import DEFAULT_MEMORY_MB, Memory
from airflow_ml_provider.extract.publish.attempt import Attempt
from airflow_ml_provider.extract.publish.location import Location, s3_errors
from airflow_ml_provider.extract.publish.manifest import Column, DataFile, Manifest
from airflow_ml_provider.extract.publish.partition_range import PartitionRange
from airflow_ml_provider.extract.publish.row_groups import RowGroups
from airflow_ml_provider.extract.publish.sink import ParquetSink, Upload
from airflow_ml_provider.extract.runs.drift import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_ml_provider.extract.checks import Checks
    from airflow_ml_provider.extract.runs.drift import Drift
    from airflow_ml_provider.extract.source import Source

log = logging.getLogger(__name__)

_LOG_SECONDS = 5.0


def extract(
    source: Source,
    uri: str,
    *,
    client: Callable[[], Any],
    options: Mapping[str, str] | None = None,
    memory_mb: int = DEFAULT_MEMORY_MB,
    checks: Checks | None = None,
    drift: Drift | None = None,
    allow_empty: bool = True,
) -> Manifest:
    """Write the rows of ``source`` as ``<uri>/part-00000.parquet`` and its manifest.

    An earlier extract under ``uri`` stays whole until the new one takes its place in one moment;
    see `manifest` for what readers may rely on. No rows make an empty file, if all types are known;
    ``rows`` of the manifest tells.

    :param source: where the rows come from.
    :param uri: ``s3://bucket/prefix``, with or without a slash at its end.
    :param client: makes a boto3 S3 client, when rows are on their way. It needs
        ``s3:GetObject``, ``s3:PutObject``, ``s3:DeleteObject``, ``s3:AbortMultipartUpload``,
        ``s3:ListBucket`` and ``s3:ListBucketMultipartUploads``.
    :param options: further fields of ``PutObject`` and ``CreateMultipartUpload``, e.g.
        ``ServerSideEncryption`` and ``SSEKMSKeyId``.
    :param memory_mb: what it may take above the idle process; see `memory`.
    :param checks: what must hold of the rows before they are published.
    :param drift: compares the columns with those of the run before.
    :param allow_empty: without it, no rows are an error and nothing is published.
    :raises ExtractError: see `extract.errors`; ``retryable`` says whether another attempt can help.
    """
    selection = source.selection
    destination = Location.parse(uri)
    memory = Memory(memory_mb)
    started_at, started = datetime.now(timezone.utc), monotonic()
    with s3_errors(destination), ExitStack() as outer:
        with ExitStack() as stack:
            row_groups = stack.enter_context(RowGroups())
            rows = stack.enter_context(source.open(memory.batch_bytes(source.selection.partitions)))
            group_bytes = memory.row_group_bytes(len(rows.streams))
            tables = stack.enter_context(row_groups.reading(rows.streams, group_bytes))
            # The database is busy from here on, while S3 is looked for.
            s3 = client()
            attempt = outer.enter_context(Attempt(s3, destination, options or {}, started))
            schema = drift.answer(rows.schema) if drift else rows.schema
            if checks:
                checks.start(schema)
            upload = Upload(s3, attempt.upload, memory.part_bytes)
            sink = stack.enter_context(ParquetSink(upload, schema))
            extent = PartitionRange(schema, selection.partition_by)
            progress = _Progress(selection.name, sink)
            for read in tables:
                table = fitted(read, schema)
                if checks:
                    for batch in table.to_batches():
                        checks.add(batch)
                extent.add(table)
                sink.write(table)
                # Its memory is free while the next one is waited for.
                del read, table
                progress.tell()
            if not sink.rows and not allow_empty:
                raise NoRows(f"{selection.name} gave no rows; nothing is published")
            if checks:
                checks.finish(sink.rows)
            sink.finish()
        progress.tell(now=True)
        manifest = attempt.publish(
            upload.parts,
            Manifest(
                source=selection.name,
                attempt=attempt.name,
                query_sha256=selection.query_sha256,
                columns=tuple(Column(f.name, type_name(f.type), f.nullable) for f in schema),
                files=(DataFile(attempt.key, sink.rows, sink.size_bytes, etag=""),),
                partition=extent.partition,
                started_at=started_at,
                finished_at=datetime.now(timezone.utc),
            ),
        )
    if drift:
        drift.published(schema)
    return manifest


class _Progress:
    def __init__(self, name: str, sink: ParquetSink) -> None:
        self._name = name
        self._sink = sink
        self._started = self._told = monotonic()

    def tell(self, *, now: bool = False) -> None:
        """Log how far it is, every few seconds."""
        if not now and monotonic() - self._told < _LOG_SECONDS:
            return
        self._told = monotonic()
        seconds = max(self._told - self._started, 1e-3)
        megabytes = self._sink.size_bytes / 1e6
        log.info(
            "%s: %s rows, %.1f MB of Parquet in %.0f s (%s rows/s, %.1f MB/s)",
            self._name,
            f"{self._sink.rows:,}",
            megabytes,
            seconds,
            f"{self._sink.rows / seconds:,.0f}",
            megabytes / seconds,
        )
