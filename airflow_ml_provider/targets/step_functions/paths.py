"""Where things lie in the state of an execution.

``$.run`` holds what the run knows of itself, ``$.parameters`` its parameters, ``$.steps`` what
later steps need of earlier ones, ``$.item`` and ``$.index`` the place in a map. The rest is
written and read by neighbouring states: ``$.values``, ``$.joined`` and ``$.failure``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

RUN = "$.run"
PARAMETERS = "$.parameters"
STEPS = "$.steps"
ITEM = "$.item"
INDEX = "$.index"
VALUES = "$.values"
JOINED = "$.joined"
FAILURE = "$.failure"
REPORT = "report"
"""The key, below a step, of the metrics of its report."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def below(path: str, *keys: str) -> str:
    """Give the path of what lies below ``path``; unusual keys are quoted."""
    for key in keys:
        if _PLAIN.fullmatch(key):
            path += f".{key}"
        else:
            quoted = key.replace("\\", "\\\\").replace("'", "\\'")
            path += f"['{quoted}']"
    return path


def selection(paths: Iterable[tuple[str, ...]], source: str = "$") -> dict[str, Any]:
    """Give the template that copies some paths out of ``source``, in the form they have there."""
    template: dict[str, Any] = {}
    chosen: set[tuple[str, ...]] = set()
    for path in sorted(set(paths)):
        # What lies under a path that is copied whole comes with it.
        if any(path[:length] in chosen for length in range(1, len(path))):
            continue
        chosen.add(path)
        inner = template
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[f"{path[-1]}.$"] = below(source, *path)
    return template
