"""Where data lies on S3: text, and in between what only a run knows."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.values import Dataset, History, Output, Run

if TYPE_CHECKING:
    from collections.abc import Container

PATHS = (Output, Dataset, History)
"""The values that are S3 URIs below the root."""


class Position(Enum):
    """Where a map is: the number of the item."""

    INDEX = "index"


def path_parts(
    value: Output | Dataset | History, root: str, pipeline: str, mapped: Container[str]
) -> tuple[str | Run | Position, ...]:
    """Take the URI of a value apart; each of the ``mapped`` steps has one for each item."""
    if isinstance(value, Dataset):
        return (f"{root}/datasets/{value.name}/",)
    index = ("/", Position.INDEX) if value.step in mapped else ()
    if isinstance(value, History):
        return (f"{root}/{pipeline}/_history/{value.step}", *index, ".json")
    return (f"{root}/{pipeline}/", Run.KEY, f"/{value.step}", *index, f"/{value.name}/")
