"""Jobs and their pages."""

from __future__ import annotations

import pytest

from airflow_ml_provider.local.protocol import AwsError, Identity
from airflow_ml_provider.local.store import Job, JobStore, page

HERE = Identity("123456789012", "eu-central-1", "key")
THERE = Identity("123456789012", "us-east-1", "key")


def job(name: str, identity: Identity = HERE) -> Job:
    made = Job("training-job", name, identity, {})
    made.change(lambda _: {"size": f"{len(name):03}"})
    return made


def test_a_name_is_held_by_one_job_a_region() -> None:
    store = JobStore()
    first = job("a")
    assert store.add(first) is None
    assert store.add(job("a")) is first
    assert store.add(job("a", THERE)) is None
    assert store.all("training-job", HERE) == [first]
    another_key = Identity("123456789012", "eu-central-1", "another key")
    assert store.find("training-job", another_key, "a") is first


def test_a_limit_sees_the_jobs_there_are() -> None:
    store = JobStore()
    store.add(job("a"))
    seen: list[Job] = []
    store.add(job("b"), limit=seen.extend)
    assert [item.name for item in seen] == ["a"]


@pytest.mark.parametrize("descending", [True, False])
def test_pages_cover_all_jobs_once_though_others_come(*, descending: bool) -> None:
    jobs = [job("a" * n) for n in (3, 1, 2, 5, 4)]
    names: list[str] = []
    token = None
    while True:
        found = page(
            jobs, lambda item: item.document["size"], descending=descending, size=2, token=token
        )
        names += [item.name for item in found.jobs]
        jobs.append(job("a" * (9 if descending else 0)))
        token = found.next_token
        if token is None:
            break
    expected = sorted(("a" * n for n in range(1, 6)), key=len, reverse=descending)
    assert names == expected


@pytest.mark.parametrize("token", ["x", "bm8=", "W10=", "e30="])
def test_a_token_that_nobody_gave(token: str) -> None:
    with pytest.raises(AwsError, match="Invalid pagination token"):
        page([job("a")], lambda item: item.name, descending=True, size=1, token=token)
