"""What a check says about an environment, or about what shall go there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ERROR, WARNING, NOTE, GOOD, SKIPPED = "error", "warning", "note", "good", "not checked"
SEVERITIES = (ERROR, WARNING, NOTE, SKIPPED, GOOD)
"""From the gravest on. An error keeps pipelines from running; the rest does not."""

CHECKS = (
    "environment",
    "requirements",
    "options",
    "startup.sh",
    "dags",
    "role",
    "bucket",
    "files",
    "installed",
)
ENVIRONMENT, REQUIREMENTS, OPTIONS, STARTUP, DAGS, ROLE, BUCKET, FILES, INSTALLED = CHECKS


@dataclass(frozen=True)
class Finding:
    """One thing that a check saw.

    :param check: one of ``CHECKS``.
    :param severity: one of ``SEVERITIES``.
    :param said: what it is about, what was found and what is allowed.
    :param mend: what to do about it; empty where nothing is wrong.
    """

    check: str
    severity: str
    said: str
    mend: str = ""


def has_errors(findings: Iterable[Finding]) -> bool:
    """Tell whether one of them is an error."""
    return any(one.severity == ERROR for one in findings)
