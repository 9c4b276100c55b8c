"""What the runs of one step remember: the windows they read, and the schema published last.

It is one small JSON object on S3, and the newest `KEPT` windows lie in it. An older one moves to an
object of its own below ``<history>.runs/``, so the object stays small and no run is ever forgotten.
Every change is a compare-and-swap, so runs may write at the same time:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from decimal import Decimal
from hashlib import sha256
from random import uniform
from time import sleep
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from botocore.exceptions import ClientError

from airflow_ml_provider.extract.errors import DestinationUnavailable, HistoryInvalid, TypeMismatch
from airflow_ml_provider.extract.publish.location import Location, s3_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEPT = 100
_FORMAT_VERSION = 1
_ATTEMPTS = 30
_PAUSE_SECONDS = 0.05
# Somebody else was faster, or is at it just now; or, of If-Match, the object was deleted.
_CONFLICTS = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}

_PARSERS: dict[str, Callable[[str], object]] = {
    "int": int,
    "decimal": Decimal,
    "timestamp": datetime.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "date": date.fromisoformat,
    "text": str,
}


@dataclass(frozen=True)
class Claim:
    """The window of one run: the rows above ``after`` (None: any), at most ``upto`` (None: none).

    ``published`` says whether a result with it has ever become visible.
    """

    run: str
    after: object
    upto: object
    claimed_at: datetime
    published: bool = False


@dataclass(frozen=True)
class Published:
    """The schema of the last publication, and the fingerprint of what was asked for."""

    fingerprint: str
    schema: pa.Schema


@dataclass(frozen=True)
class State:
    """What the history's object holds: the watermark's ``column`` and its windows, oldest first."""

    column: str | None = None
    claims: tuple[Claim, ...] = ()
    published: Published | None = None

    @property
    def highest(self) -> object:
        """Up to where the column was claimed; None if no row ever was."""
        return self.claims[-1].upto if self.claims else None

    def claim(self, run: str) -> Claim | None:
        """Give the window of a run, if it is one of the newest."""
        return next((claim for claim in self.claims if claim.run == run), None)


@dataclass(frozen=True)
class History:
    """The history that lies at ``uri``, e.g. ``s3://bucket/flights/_history/orders.json``.

    ``client`` gives a boto3 S3 client, which may ``s3:GetObject``, ``s3:PutObject`` and list all
    that begins with that key. ``options`` are further fields of ``PutObject``.

    Its methods raise `HistoryInvalid` if what lies there can't be read, `DestinationUnavailable` or
    `BadDestination` for S3's own errors.
    """

    client: Callable[[], Any]
    uri: str
    options: Mapping[str, str] | None = None

    def read(self) -> State:
        """Give what is there now; nothing is an empty state."""
        return self._read()[0]

    def update(self, change: Callable[[State], State]) -> State:
        """Write what ``change`` makes of the state, and give it.

        ``change`` is called again whenever somebody else has written in the meantime.
        """
        location = Location.parse(self.uri)
        for attempt in range(_ATTEMPTS):
            state, etag = self._read()
            new = change(state)
            if new == state:
                return state
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            with s3_errors(location):
                # An old window is in two places for a moment, never in none.
                for claim in new.claims[:-KEPT]:
                    self._put(self._run_key(claim.run), _claim_record(claim))
                new = replace(new, claims=new.claims[-KEPT:])
                try:
                    self._put(location.prefix, _record(new), **condition)
                except ClientError as error:
                    if error.response["Error"]["Code"] not in _CONFLICTS:
                        raise
                else:
                    return new
            sleep(uniform(0, _PAUSE_SECONDS * min(attempt + 1, 10)))  # noqa: S311
        raise DestinationUnavailable(
            f"{self.uri}: other runs were faster {_ATTEMPTS} times; nothing was written"
        )

    def moved_claim(self, run: str) -> Claim | None:
        """Give the window of a run that is no longer one of the newest."""
        found = self._get(self._run_key(run))
        return self._parsed(found[0], _claim) if found else None

    def _read(self) -> tuple[State, str | None]:
        found = self._get(Location.parse(self.uri).prefix)
        return (self._parsed(found[0], _state), found[1]) if found else (State(), None)

    def _get(self, key: str) -> tuple[bytes, str] | None:
        location = Location.parse(self.uri)
        with s3_errors(location):
            # To get an object that is not there is forbidden to who may only list some prefixes.
            listed = self.client().list_objects_v2(Bucket=location.bucket, Prefix=key, MaxKeys=1)
            if key not in {item["Key"] for item in listed.get("Contents", ())}:
                return None
            answer = self.client().get_object(Bucket=location.bucket, Key=key)
            return answer["Body"].read(), answer["ETag"]

    def _put(self, key: str, record: object, **condition: str) -> None:
        self.client().put_object(
            Bucket=Location.parse(self.uri).bucket,
            Key=key,
            Body=json.dumps(record, indent=2).encode(),
            ContentType="application/json",
            **(self.options or {}),
            **condition,
        )

    def _run_key(self, run: str) -> str:
        name = sha256(run.encode()).hexdigest()
        return f"{Location.parse(self.uri).prefix}.runs/{name}.json"

    def _parsed(self, text: bytes, parse: Callable[[Any], Any]) -> Any:
        try:
            return parse(json.loads(text))
        except (ValueError, TypeError, KeyError, ArithmeticError, OSError) as error:
            raise HistoryInvalid(
                f"{self.uri}: not a history of format {_FORMAT_VERSION} "
                f"({type(error).__name__}: {error}); mend: put an earlier version of the object "
                "back, or delete all that begins with this name, and all rows are new to the next "
                "run"
            ) from error


def value_record(value: object) -> dict[str, str] | None:
    """Give the JSON of a watermark's value, with its type.

    :raises TypeMismatch: it is of a type that has no exact order or spelling.
    """
    if value is None:
        return None
    if isinstance(value, datetime) and value.tzinfo:
        value = value.astimezone(timezone.utc)
    kind = _kind(value)
    if kind is None:
        raise TypeMismatch(f"{value!r} ({type(value).__name__}) is no {', '.join(_PARSERS)}")
    return {"type": kind, "value": value.isoformat() if isinstance(value, date) else str(value)}


def _kind(value: object) -> str | None:
    if isinstance(value, datetime):
        return "timestamptz" if value.tzinfo else "timestamp"
    if isinstance(value, bool) or (isinstance(value, Decimal) and not value.is_finite()):
        return None
    kinds = {int: "int", Decimal: "decimal", date: "date", str: "text"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), None)


def _value(record: Any) -> object:
    return None if record is None else _PARSERS[record["type"]](record["value"])


def _claim_record(claim: Claim) -> dict[str, object]:
    return {
        "run": claim.run,
        "after": value_record(claim.after),
        "upto": value_record(claim.upto),
        "claimed_at": claim.claimed_at.isoformat(),
        "published": claim.published,
    }


def _claim(record: Any) -> Claim:
    return Claim(
        run=str(record["run"]),
        after=_value(record["after"]),
        upto=_value(record["upto"]),
        claimed_at=datetime.fromisoformat(record["claimed_at"]),
        published=bool(record["published"]),
    )


def _record(state: State) -> dict[str, object]:
    published = state.published
    return {
        "format_version": _FORMAT_VERSION,
        "column": state.column,
        "windows": [_claim_record(claim) for claim in state.claims],
        "published": published
        and {
            "fingerprint": published.fingerprint,
            "columns": {field.name: str(field.type) for field in published.schema},
            # Exact for every type, as Parquet files keep it.
            "arrow_schema": b64encode(published.schema.serialize()).decode(),
        },
    }


def _state(record: Any) -> State:
    if record["format_version"] != _FORMAT_VERSION:
        raise ValueError(f"format_version is {record['format_version']!r}")
    published = record["published"]
    return State(
        column=record["column"],
        claims=tuple(_claim(claim) for claim in record["windows"]),
        published=published
        and Published(
            published["fingerprint"],
            pa.ipc.read_schema(pa.py_buffer(b64decode(published["arrow_schema"], validate=True))),
        ),
    )
