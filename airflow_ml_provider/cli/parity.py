"""``airflow-ml parity``: what each target makes of every feature that a pipeline uses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import definitions
from airflow_ml_provider.cli.definitions import DefinitionError
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.targets.compile import TARGETS, examined
from airflow_ml_provider.targets.finding import KEPT

if TYPE_CHECKING:
    import argparse

    from airflow_ml_provider.cli.definitions import Definition
    from airflow_ml_provider.targets.finding import Finding

_STYLES = {"kept": "green", "lowered": "yellow", "refused": "red"}
_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    definitions.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print one table a pipeline; refusals are told, not raised."""
    from rich.console import Console  # noqa: PLC0415 - compiling needs no table

    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    try:
        for definition in definitions.load(args):
            _show(console, definition)
    except (DefinitionError, PipelineError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def rows(definition: Definition) -> dict[tuple[str, str], dict[str, Finding]]:
    """Give the findings of each target by step and feature, those of the whole pipeline first."""
    found: dict[tuple[str, str], dict[str, Finding]] = {}
    for target in TARGETS:
        for one in examined(definition.pipeline, target, definition.account)[1]:
            found.setdefault((one.step, one.feature), {}).setdefault(target, one)
    return dict(sorted(found.items(), key=lambda item: bool(item[0][0])))


def _show(console: object, definition: Definition) -> None:
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=f"{definition.pipeline.name}: feature x target", show_lines=True)
    table.add_column("step")
    table.add_column("feature")
    for target in TARGETS:
        table.add_column(target, ratio=1)
    for (step, feature), by_target in rows(definition).items():
        cells = [_cell(by_target.get(target)) for target in TARGETS]
        table.add_row(step or "(pipeline)", feature, *cells)
    console.print(table)  # type: ignore[attr-defined]


def _cell(finding: Finding | None) -> str:
    if finding is None:
        return "-"
    said = f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]"
    return said if finding.verdict == KEPT or not finding.how else f"{said}: {_plain(finding.how)}"


def _plain(text: str) -> str:
    from rich.markup import escape  # noqa: PLC0415

    return escape(text)
