"""FilterLogEvents: moto forgets the prefix of the streams, the order of time and a page's size.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from moto.logs.models import logs_backends

from airflow_ml_provider.local.protocol import AwsError, Call, Json, Operations

if TYPE_CHECKING:
    from airflow_ml_provider.local.cloud import Cloud

PAGE_EVENTS = 10_000
PAGE_BYTES = 1_000_000


def operations(cloud: Cloud) -> Operations:  # noqa: ARG001 - what the registry passes
    """Return FilterLogEvents."""
    return {("logs", "FilterLogEvents"): _filter}


def _filter(call: Call) -> Json:
    params = call.params
    if "logGroupName" not in params:
        return call.forward()
    token = params.get("nextToken")
    start = _read_token(token) if token else (-1, -1)
    times = params.get("startTime"), params.get("endTime")
    events = [
        event
        for stream in _streams(call)
        for event in stream.filter_log_events(*times, params.get("filterPattern"))
    ]
    ordered = sorted((event for event in events if _place(event) > start), key=_place)
    page = ordered[: _page_length(ordered, params.get("limit", PAGE_EVENTS))]
    more = len(page) < len(ordered)
    return {
        "events": page,
        "searchedLogStreams": [],
        "nextToken": _write_token(_place(page[-1])) if more else None,
    }


def _streams(call: Call) -> list[Any]:
    params = call.params
    names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix", "")
    if names and prefix:
        raise AwsError(
            "InvalidParameterException", "logStreamNames and logStreamNamePrefix exclude each other"
        )
    groups = logs_backends[call.identity.account][call.identity.region].groups
    group = groups.get(params["logGroupName"])
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    streams = dict(group.streams)  # others write meanwhile
    if names and not streams.keys() >= set(names):
        raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
    return [streams[name] for name in names or streams if name.startswith(prefix)]


def _place(event: Json) -> tuple[int, int]:
    return event["timestamp"], int(event["eventId"])


def _page_length(events: list[Json], limit: int) -> int:
    size = 0
    for number, event in enumerate(events[:limit]):
        size += len(event["message"])
        if size > PAGE_BYTES and number:
            return number
    return min(limit, len(events))


def _write_token(place: tuple[int, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_token(token: str) -> tuple[int, int]:
    try:
        timestamp, number = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, TypeError, ValueError) as error:
        message = "The specified nextToken is invalid."
        raise AwsError("InvalidParameterException", message) from error
    return timestamp, number
