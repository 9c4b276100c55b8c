"""Reading list calls no further than it pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from airflow_ml_provider.jobs.state import JobState


def items(
    client: Any, operation: str, key: str, **request: Any
) -> Iterator[list[Mapping[str, Any]]]:
    """Give the list under ``key`` of each page that a boto3 paginator reads."""
    for page in client.get_paginator(operation).paginate(**request):
        yield page.get(key) or []


def wanted(pages: Iterable[Iterable[JobState]], job_ids: Collection[str]) -> dict[str, JobState]:
    """Pick the wanted jobs out of list pages.

    Ends when all were seen, or when asking for the rest one by one takes no more calls than were
    made already: an account may list thousands of other people's jobs.
    """
    missing, found = set(job_ids), {}
    for calls, page in enumerate(pages, start=1):
        for state in page:
            if state.job_id in missing:
                missing.remove(state.job_id)
                found[state.job_id] = state
        if calls >= len(missing):
            break
    return found
