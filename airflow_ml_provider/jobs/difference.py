"""Where a job that was found differs from the one that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differing(asked: Any, found: Any, path: str = "") -> tuple[str, ...]:
    """Name the fields of ``asked`` that ``found`` has otherwise, as dotted paths.

    Only what was asked for is compared, since AWS fills in defaults of its own; empty and missing
    are one.
    """
    if isinstance(asked, Mapping) and isinstance(found, Mapping):
        return tuple(
            name
            for key, value in sorted(asked.items())
            for name in differing(value, found.get(key), f"{path}.{key}" if path else str(key))
        )
    if isinstance(asked, (list, tuple)) and isinstance(found, (list, tuple)):
        if len(asked) != len(found):
            return (path,)
        return tuple(
            name
            for index, one in enumerate(asked)
            for name in differing(one, found[index], f"{path}[{index}]")
        )
    same = asked == found or (not asked and not found)
    return () if same else (path,)
