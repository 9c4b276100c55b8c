"""The jobs of the local AWS: in memory, safe between threads, gone with the process."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime, timezone
from threading import Event, Lock
from typing import TYPE_CHECKING, NamedTuple

from airflow_ml_provider.local.protocol import AwsError, Identity, Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(timezone.utc)


class Page(NamedTuple):
    """One page of a list call, and the token of the next one if there is any."""

    jobs: list[Job]
    next_token: str | None


class Job:
    """One job: what was asked for, and what its Describe answers now.

    ``document`` is replaced, never changed in place, so readers need no lock.
    """

    def __init__(self, kind: str, name: str, identity: Identity, request: Json) -> None:
        self.kind = kind
        self.name = name
        self.identity = identity
        self.request = request
        self.document: Json = {}
        self.tags: list[Json] = list(request.get("Tags", ()))
        self.stop_requested = Event()
        self.stop_grace_seconds: float | None = None
        self._lock = Lock()

    def change(self, change: Callable[[Json], Json]) -> Json:
        """Merge the fields that `change` makes of the document into it, and return it whole."""
        with self._lock:
            self.document = {**self.document, **change(self.document)}
            return self.document


class JobStore:
    """All jobs, by kind, account, region and name."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str, str, str], Job] = {}
        self._lock = Lock()

    def add(self, job: Job, *, limit: Callable[[list[Job]], None] | None = None) -> Job | None:
        """Keep a new job, unless its name is taken: then return the job that holds it.

        `limit` may raise, given the jobs there are of its kind; no other job gets in between.
        """
        key = (job.kind, job.identity.account, job.identity.region, job.name)
        with self._lock:
            if key in self._jobs:
                return self._jobs[key]
            if limit:
                limit(self._select(job.kind, job.identity))
            self._jobs[key] = job
            return None

    def find(self, kind: str, identity: Identity, name: str) -> Job | None:
        """Return the job of that name, if any."""
        return self._jobs.get((kind, identity.account, identity.region, name))

    def remove(self, job: Job) -> None:
        """Forget a job, so that its name is free again."""
        with self._lock:
            self._jobs.pop((job.kind, job.identity.account, job.identity.region, job.name), None)

    def all(self, kind: str, identity: Identity) -> list[Job]:
        """Return the jobs of one kind in the caller's account and region, oldest first."""
        with self._lock:
            return self._select(kind, identity)

    def _select(self, kind: str, identity: Identity) -> list[Job]:
        place = (kind, identity.account, identity.region)
        return [job for key, job in self._jobs.items() if key[:3] == place]


def page(
    jobs: Iterable[Job],
    sort_key: Callable[[Job], str | datetime],
    *,
    descending: bool,
    size: int,
    token: str | None,
) -> Page:
    """Cut one page out of jobs that were filtered already.

    The token holds the last job's place in the order, so jobs made meanwhile shift no page.

    Raises:
        AwsError: ``ValidationException`` for a token that no list call gave.

    """

    def place(job: Job) -> tuple[str, str]:
        key = sort_key(job)
        return (key if isinstance(key, str) else key.isoformat(timespec="microseconds"), job.name)

    ordered = sorted(jobs, key=place, reverse=descending)
    if token:
        last = _read_token(token)
        ordered = [
            job for job in ordered if (place(job) < last if descending else place(job) > last)
        ]
    more = len(ordered) > size
    ordered = ordered[:size]
    return Page(ordered, _write_token(place(ordered[-1])) if more else None)


def _write_token(place: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_token(token: str) -> tuple[str, str]:
    try:
        key, name = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError) as error:
        raise AwsError("ValidationException", "Invalid pagination token.") from error
    return str(key), str(name)
