"""Findings about MWAA, for people and for programs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_ml_provider.mwaa.finding import ERROR, GOOD, NOTE, SEVERITIES, SKIPPED, WARNING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_ml_provider.mwaa.finding import Finding

_STYLES = {ERROR: "red", WARNING: "yellow", NOTE: "dim", SKIPPED: "dim", GOOD: "green"}
_WIDTH_OF_FILES = 120


def console() -> Console:
    """Give the console for what people read; in a file it is wider than rich would make it."""
    width = None if sys.stdout.isatty() else _WIDTH_OF_FILES
    # Else a piece of an ARN such as ":x:" is an emoji, and "[x]" in a file's name a style.
    return Console(width=width, highlight=False, markup=False, emoji=False)


def show(findings: Sequence[Finding], title: str) -> None:
    """Print a table, and how many there are of each severity."""
    table = Table(show_lines=True)
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold", ratio=3)
    table.add_column("mend", overflow="fold", ratio=2)
    for one in findings:
        severity = Text(one.severity, style=_STYLES[one.severity])
        table.add_row(one.check, severity, one.said, one.mend)
    counted = Counter(one.severity for one in findings)
    terminal = console()
    # No title of the table, whose lines break anywhere in a long path.
    terminal.print(title, soft_wrap=True)
    terminal.print(table)
    terminal.print(", ".join(f"{counted[name]} {name}" for name in SEVERITIES if counted[name]))


def as_json(findings: Sequence[Finding], version: str) -> str:
    """Give the same as JSON."""
    told = {"version": version, "findings": [asdict(one) for one in findings]}
    return json.dumps(told, indent=2)
