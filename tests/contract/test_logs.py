"""Searching the logs of many jobs at once: FilterLogEvents."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_SECONDS = 60.0


@pytest.fixture
def logs(client: Callable[[str], Any]) -> Any:
    return client("logs")


@pytest.fixture
def group(logs: Any) -> Iterator[str]:
    name = f"/contract/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=name)
    yield name
    logs.delete_log_group(logGroupName=name)


def say(logs: Any, group: str, stream: str, *lines: tuple[int, str]) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": at, "message": text} for at, text in lines]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def found(logs: Any, group: str, *, expected: int, **request: Any) -> list[str]:
    """Give the messages, once there are as many as expected: they take a moment to be found."""
    pages = logs.get_paginator("filter_log_events")
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        answer = pages.paginate(logGroupName=group, **request)
        events = [event for page in answer for event in page["events"]]
        if len(events) >= expected or time.monotonic() > give_up:
            return [event["message"] for event in events]
        time.sleep(1)


def test_streams_are_read_together_in_order_of_time(logs: Any, group: str) -> None:
    now = int(time.time() * 1000) - 10_000
    say(logs, group, "job-1/algo-1", (now, "one"), (now + 3000, "four"))
    say(logs, group, "job-1/algo-2", (now + 1000, "two"), (now + 4000, "five"))
    say(logs, group, "job-2/algo-1", (now + 2000, "three"))
    assert found(logs, group, expected=5) == ["one", "two", "three", "four", "five"]
    of_one = found(logs, group, expected=4, logStreamNamePrefix="job-1/")
    assert of_one == ["one", "two", "four", "five"]
    between = found(logs, group, expected=3, startTime=now + 1000, endTime=now + 3000)
    assert between == ["two", "three", "four"]
    named = found(logs, group, expected=1, logStreamNames=["job-2/algo-1"])
    assert named == ["three"]
    assert found(logs, group, expected=0, logStreamNamePrefix="job-3/") == []
    assert found(logs, group, expected=1, filterPattern="three") == ["three"]


def test_pages_neither_repeat_nor_miss_what_has_the_same_time(logs: Any, group: str) -> None:
    now = int(time.time() * 1000) - 10_000
    for stream in ("a", "b"):
        say(logs, group, stream, *((now, f"{stream}{number}") for number in range(5)))
    expected = [f"{stream}{number}" for stream in ("a", "b") for number in range(5)]
    pages = found(logs, group, expected=10, PaginationConfig={"PageSize": 3})
    assert sorted(pages) == expected


@pytest.mark.parametrize(
    ("request_fields", "code"),
    [
        ({"logGroupName": "/contract/none"}, "ResourceNotFoundException"),
        ({"logStreamNames": ["none"]}, "ResourceNotFoundException"),
        (
            {"logStreamNames": ["none"], "logStreamNamePrefix": "n"},
            "InvalidParameterException",
        ),
        ({"nextToken": "never given"}, "InvalidParameterException"),
        ({"limit": 10_001}, "InvalidParameterException"),
    ],
)
def test_refusals(logs: Any, group: str, request_fields: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        logs.filter_log_events(**{"logGroupName": group, **request_fields})
    assert refused.value.response["Error"]["Code"] == code
