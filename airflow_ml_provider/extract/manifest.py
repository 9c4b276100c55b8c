"""The manifest of an extract: written last, it says that the data is complete.

What a reader may rely on, where ``<prefix>/_manifest.json`` exists:

- All files that it names are complete, and together they are the result of one query that ran to
  its end. ``rows`` and ``size_bytes`` are theirs; no other ``part-*.parquet`` lies beside them.
- Every file has the schema of ``columns``, in that order; an equal ``schema_sha256`` means an equal
  schema.
- A file is unchanged since then as long as its ETag is the manifest's: get it with ``IfMatch`` to
  be certain while somebody may extract to the same prefix again.

Where none exists, the extract has not finished, or is just being replaced; don't read the files.
An extract that fails while it reads leaves an earlier one and its manifest as they were. Two
extracts to one prefix at the same time are not kept apart: the ETags tell.

The name starts with ``_``, so Spark, pandas and pyarrow pass over it when they read the prefix.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_ml_provider.extract.errors import ManifestInvalid, ManifestMissing
from airflow_ml_provider.extract.location import Location, s3_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "_manifest.json"
FORMAT_VERSION = 1

_R = TypeVar("_R", "Column", "DataFile")
_SCALARS: dict[Any, type] = {"str": str, "int": int, "bool": bool}


@dataclass(frozen=True)
class Column:
    """A column: its name, its Arrow type's name, and whether it may hold nulls."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True)
class DataFile:
    """A Parquet object of the manifest's bucket."""

    key: str
    rows: int
    size_bytes: int
    etag: str


@dataclass(frozen=True)
class Manifest:
    """What was extracted, from where and when.

    ``source`` is the connection's id. ``query_sha256`` is the hash of the query's text, which holds
    no values. The times are UTC.
    """

    source: str
    query_sha256: str
    columns: tuple[Column, ...]
    files: tuple[DataFile, ...]
    started_at: datetime
    finished_at: datetime

    @property
    def rows(self) -> int:
        """The rows of all files."""
        return sum(file.rows for file in self.files)

    @property
    def size_bytes(self) -> int:
        """The bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def schema_sha256(self) -> str:
        """The fingerprint of names, types and order of the columns."""
        columns = [asdict(column) for column in self.columns]
        return sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """Give the document that lies on S3."""
        document = {
            "format_version": FORMAT_VERSION,
            **asdict(self),
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "rows": self.rows,
            "size_bytes": self.size_bytes,
            "schema_sha256": self.schema_sha256,
        }
        return json.dumps(document, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read and check the document.

        :raises ManifestInvalid: it is no JSON object, of another version, or fields are missing or
            contradict each other; the message names all of them.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ManifestInvalid(f"no JSON: {error}") from error
        if not isinstance(document, dict) or document.get("format_version") != FORMAT_VERSION:
            raise ManifestInvalid(f"no JSON object with format_version {FORMAT_VERSION}")
        problems: list[str] = []
        manifest = cls(
            source=_scalar(document, "source", str, problems),
            query_sha256=_scalar(document, "query_sha256", str, problems),
            columns=_records(document, "columns", Column, problems),
            files=_records(document, "files", DataFile, problems),
            started_at=_time(document, "started_at", problems),
            finished_at=_time(document, "finished_at", problems),
        )
        if not problems:
            problems = [
                f"{name} is {document.get(name)!r}, but its parts make {getattr(manifest, name)!r}"
                for name in ("rows", "size_bytes", "schema_sha256")
                if document.get(name) != getattr(manifest, name)
            ]
        if problems:
            raise ManifestInvalid("; ".join(problems))
        return manifest


def read_manifest(client: Any, uri: str) -> Manifest:
    """Read the manifest of the prefix ``uri`` (``s3://bucket/prefix``) with a boto3 S3 client.

    :raises ManifestMissing: there is none.
    :raises ManifestInvalid: it can't be read.
    :raises BadDestination: the URI is malformed, or S3 refuses.
    :raises DestinationUnavailable: S3 can't be reached now.
    """
    location = Location.parse(uri)
    with s3_errors(location):
        try:
            answer = client.get_object(Bucket=location.bucket, Key=location.key(NAME))
        except client.exceptions.NoSuchKey:
            raise ManifestMissing(
                f"{location.key(NAME)} is not in bucket {location.bucket}: "
                "the extract has not finished, or failed"
            ) from None
        text = answer["Body"].read()
    try:
        return Manifest.from_json(text)
    except ManifestInvalid as error:
        raise ManifestInvalid(f"{location}/{NAME}: {error}") from error


def write_manifest(
    client: Any, location: Location, manifest: Manifest, options: Mapping[str, str]
) -> None:
    """Publish: the last act of an extract. ``options`` are further fields of ``PutObject``."""
    client.put_object(
        Bucket=location.bucket,
        Key=location.key(NAME),
        Body=manifest.to_json().encode(),
        ContentType="application/json",
        **options,
    )


def delete_manifest(client: Any, location: Location) -> None:
    """Withdraw what was published, before its files change."""
    client.delete_object(Bucket=location.bucket, Key=location.key(NAME))


def _scalar(record: Any, name: str, kind: type, problems: list[str]) -> Any:
    value = record.get(name)
    if type(value) is not kind:
        problems.append(f"{name} is {value!r}, not a {kind.__name__}")
    return value


def _records(document: Any, name: str, kind: type[_R], problems: list[str]) -> tuple[_R, ...]:
    value = document.get(name)
    if not (isinstance(value, list) and all(isinstance(record, dict) for record in value)):
        problems.append(f"{name} is {value!r}, not a list of objects")
        return ()
    return tuple(
        kind(**{f.name: _scalar(record, f.name, _SCALARS[f.type], problems) for f in fields(kind)})
        for record in value
    )


def _time(document: Any, name: str, problems: list[str]) -> datetime:
    try:
        return datetime.fromisoformat(document.get(name))
    except (TypeError, ValueError):
        problems.append(f"{name} is {document.get(name)!r}, not a time in ISO 8601")
        return datetime.now(timezone.utc)
