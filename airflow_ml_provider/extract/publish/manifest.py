"""The manifest of an extract, and how its readers find the one of the data that lies there.

What is under the prefix of an extract:

- ``part-00000.parquet``: all rows, in one object. It appears, or takes the place of an earlier
  one, in one moment, and carries the name of the attempt that wrote it as metadata. So whoever
  reads the plain prefix sees one result, whole.
- ``_attempts/<attempt>.json``: the manifest of that attempt, written before its object appears.
- ``_manifest.json``: the same with the object's ETag, written after it.

`read_manifest` gives the manifest whose attempt is the object's, also where a process was killed
between the two. Then ``rows``, ``columns`` and ``partition`` are those of the object, as long as
its ETag is the manifest's: get it with ``IfMatch`` to be certain while somebody may extract to the
same prefix again. An equal ``schema_sha256`` means an equal schema.

Names that start with ``_`` are passed over by Spark, pandas and pyarrow when they read a prefix.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from airflow_ml_provider.extract.errors import ManifestInvalid, ManifestMissing
from airflow_ml_provider.extract.publish.location import Location, listed, s3_errors

NAME = "_manifest.json"
FILE = "part-00000.parquet"
FORMAT_VERSION = 2

# The codes of GetObject, and of HeadObject, whose answers have no body.
_MISSING = frozenset({"404", "NoSuchKey"})
_HIDDEN = frozenset({"403", "AccessDenied"})
_LOOKS = 5
_LOOK_SECONDS = 0.2

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
class Partition:
    """The partition column, and its least and greatest value as text; None if all are NULL."""

    column: str
    minimum: str | None
    maximum: str | None


@dataclass(frozen=True)
class Manifest:
    """What was extracted, from where and when, and by which attempt.

    ``source`` is the connection's id. ``query_sha256`` is the hash of the query's text, which holds
    no values. The times are UTC.
    """

    source: str
    attempt: str
    query_sha256: str
    columns: tuple[Column, ...]
    files: tuple[DataFile, ...]
    partition: Partition | None
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
            attempt=_scalar(document, "attempt", str, problems),
            query_sha256=_scalar(document, "query_sha256", str, problems),
            columns=_records(document, "columns", Column, problems),
            files=_records(document, "files", DataFile, problems),
            partition=_partition(document, problems),
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


def attempt_name(attempt: str) -> str:
    """Give the name under the prefix of an attempt's own manifest."""
    return f"_attempts/{attempt}.json"


def read_manifest(client: Any, uri: str) -> Manifest:
    """Read the manifest of what lies under ``uri`` (``s3://bucket/prefix``) with a boto3 S3 client.

    It needs ``s3:GetObject``; without ``s3:ListBucket`` a missing extract is a `BadDestination`.

    :raises ManifestMissing: nothing was published there.
    :raises ManifestInvalid: what lies there is not an extract's, or its manifest can't be read.
    :raises BadDestination: the URI is malformed, or S3 refuses.
    :raises DestinationUnavailable: S3 can't be reached now.
    """
    location = Location.parse(uri)
    with s3_errors(location):
        for look in range(_LOOKS):
            time.sleep(_LOOK_SECONDS if look else 0)
            head = _unless_missing(client.head_object, location, FILE)
            if head is None:
                raise ManifestMissing(f"{location}: nothing was published there")
            attempt = head["Metadata"].get("attempt", "")
            for name in (NAME, attempt_name(attempt)):
                answer = _unless_missing(client.get_object, location, name)
                manifest = answer and _parsed(answer["Body"].read(), f"{location}/{name}")
                if manifest and manifest.attempt == attempt:
                    (file,) = manifest.files
                    return replace(manifest, files=(replace(file, etag=head["ETag"]),))
            # Otherwise another result was published while this one was looked at.
    raise ManifestInvalid(f"{location}: {FILE} has no manifest; it is not an extract's own")


def _unless_missing(get: Any, location: Location, name: str) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = get(Bucket=location.bucket, Key=location.key(name))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        # Without the right to list a whole bucket, S3 hides that nothing is there:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        if code in _MISSING or (code in _HIDDEN and not listed(get.__self__, location, name)):
            return None
        raise
    return answer


def _parsed(text: bytes, place: str) -> Manifest:
    try:
        return Manifest.from_json(text)
    except ManifestInvalid as error:
        raise ManifestInvalid(f"{place}: {error}") from error


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


def _partition(document: Any, problems: list[str]) -> Partition | None:
    value = document.get("partition")
    if value is None:
        return None
    names = {field.name for field in fields(Partition)}
    if not (isinstance(value, dict) and names == value.keys()):
        problems.append(f"partition is {value!r}, not an object of {', '.join(sorted(names))}")
        return None
    return Partition(**value)


def _time(document: Any, name: str, problems: list[str]) -> datetime:
    try:
        return datetime.fromisoformat(document.get(name))
    except (TypeError, ValueError):
        problems.append(f"{name} is {document.get(name)!r}, not a time in ISO 8601")
        return datetime.now(timezone.utc)
