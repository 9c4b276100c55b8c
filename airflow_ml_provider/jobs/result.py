"""The part of AWS's answer that later steps may refer to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any


def picked(answer: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Take ``fields`` of an answer as JSON; what AWS left out is left out, and so are times."""
    return {key: _plain(answer[key]) for key in fields if answer.get(key) is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if not isinstance(one, date)}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
