"""Join a source and a sink: read, write, publish."""

from __future__ import annotations

import logging
import re
from datetime import datetime, timezone
from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract.arrow_types import type_name
from airflow_ml_provider.extract.errors import BadDestination
from airflow_ml_provider.extract.location import Location, s3_errors
from airflow_ml_provider.extract.manifest import (
    Column,
    Manifest,
    delete_manifest,
    write_manifest,
)
from airflow_ml_provider.extract.sink import ParquetSink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.extract.source import Source

log = logging.getLogger(__name__)

_FILE = "part-00000.parquet"
_FILES = re.compile(r"part-\d{5}\.parquet")
_LOG_SECONDS = 5.0


def extract(
    source: Source, uri: str, *, client: Any, options: Mapping[str, str] | None = None
) -> Manifest:
    """Write the rows of ``source`` as ``<uri>/part-00000.parquet``, then ``<uri>/_manifest.json``.

    An earlier extract under ``uri`` is replaced: it stays whole while rows are read, loses its
    manifest just before the new file takes its place, and its other files after that. No rows make
    an empty file, if all types are known; ``rows`` of the manifest tells.

    :param source: where the rows come from.
    :param uri: ``s3://bucket/prefix``, with or without a slash at its end.
    :param client: a boto3 S3 client. It needs ``s3:PutObject``, ``s3:DeleteObject``,
        ``s3:ListBucket`` and ``s3:AbortMultipartUpload``.
    :param options: further fields of ``PutObject`` and ``CreateMultipartUpload``, e.g.
        ``ServerSideEncryption`` and ``SSEKMSKeyId``.
    :raises ExtractError: see `extract.errors`; ``retryable`` says whether another attempt can help.
    """
    destination = Location.parse(uri)
    options = options or {}
    started_at = datetime.now(timezone.utc)
    with s3_errors(destination):
        with (
            source.open() as reader,
            ParquetSink(client, destination, _FILE, reader.schema, options) as sink,
        ):
            started = logged = monotonic()
            for stream in reader.streams:
                with stream() as batches:
                    for batch in batches:
                        sink.write(batch)
                        if monotonic() - logged >= _LOG_SECONDS:
                            logged = monotonic()
                            _log(source.name, sink, logged - started)
            file = sink.complete(before_visible=lambda: delete_manifest(client, destination))
        _log(source.name, sink, monotonic() - started)
        _delete_stale(client, destination, keep=file.key)
        manifest = Manifest(
            source=source.name,
            query_sha256=source.query_sha256,
            columns=tuple(Column(f.name, type_name(f.type), f.nullable) for f in reader.schema),
            files=(file,),
            started_at=started_at,
            finished_at=datetime.now(timezone.utc),
        )
        write_manifest(client, destination, manifest, options)
    return manifest


def _log(name: str, sink: ParquetSink, seconds: float) -> None:
    log.info(
        "%s: %s rows, %.1f MB of Parquet in %.0f s (%s rows/s, %.1f MB/s)",
        name,
        f"{sink.rows:,}",
        sink.size_bytes / 1e6,
        seconds,
        f"{sink.rows / max(seconds, 1e-3):,.0f}",
        sink.size_bytes / 1e6 / max(seconds, 1e-3),
    )


def _delete_stale(client: Any, destination: Location, keep: str) -> None:
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=destination.bucket, Prefix=destination.key("part-")
    )
    for page in pages:
        keys = [item["Key"] for item in page.get("Contents", ())]
        # Only what an extract wrote: other objects under the prefix are somebody else's.
        ours = [key for key in keys if _FILES.fullmatch(key[len(destination.key("")) :])]
        if stale := [{"Key": key} for key in ours if key != keep]:
            answer = client.delete_objects(
                Bucket=destination.bucket, Delete={"Objects": stale, "Quiet": True}
            )
            if errors := answer.get("Errors"):
                raise BadDestination(f"{destination}: could not delete earlier files: {errors}")
