"""``airflow-ml parity``: what each target makes of every feature that a pipeline uses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import definitions
from airflow_ml_provider.cli.definitions import DefinitionError, filled
from airflow_ml_provider.cli.laptop import ROLE_ARN, ROOT
from airflow_ml_provider.pipeline.account import Account
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.targets.compile import TARGETS, examined
from airflow_ml_provider.targets.finding import KEPT, LOWERED, REFUSED, grouped, named

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.text import Text

    from airflow_ml_provider.cli.definitions import Definition
    from airflow_ml_provider.targets.finding import Finding

    # A feature, the steps that use it, and what each target makes of it.
    Row = tuple[str, list[str], Mapping[str, tuple[Finding, ...]]]

_STYLES = {KEPT: "green", LOWERED: "yellow", REFUSED: "red"}
_WORST_FIRST = (REFUSED, LOWERED, KEPT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    definitions.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print one table a pipeline; refusals are told, not raised."""
    from rich.console import Console  # noqa: PLC0415 - compiling needs no table

    try:
        found = definitions.load(args)
        tables = [(one.pipeline.name, rows(one)) for one in found]
    except DefinitionError as error:
        print(error, file=sys.stderr)
        return 1
    except PipelineError as error:
        print(f"{args.file}: {error}", file=sys.stderr)
        return 1
    console = Console(highlight=False)
    for name, table in tables:
        _show(console, name, table)
    return 0


def rows(definition: Definition) -> list[Row]:
    """Give each feature, the steps that use it, and what each target makes of it.

    Steps of which every target makes the same share a row; what the whole pipeline uses is first.
    """
    # What compiling needs besides says nothing about the targets.
    account = filled(definition.account, Account(role_arn=ROLE_ARN, root=ROOT))
    found: dict[str, dict[str, dict[str, list[Finding]]]] = {}
    for target in TARGETS:
        for one in examined(definition.pipeline, target, account)[1]:
            by_step = found.setdefault(one.feature, {})
            by_step.setdefault(one.step, {}).setdefault(target, []).append(one)
    table: list[Row] = []
    for feature, by_step in sorted(found.items(), key=lambda item: "" not in item[1]):
        same: dict[tuple[tuple[Finding, ...], ...], list[str]] = {}
        for step, by_target in by_step.items():
            row = tuple(tuple(grouped(by_target.get(target, ()))) for target in TARGETS)
            same.setdefault(row, []).append(step)
        table += [
            (feature, steps, dict(zip(TARGETS, row, strict=True))) for row, steps in same.items()
        ]
    return table


def _show(console: Console, pipeline: str, table: list[Row]) -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Group  # noqa: PLC0415
    from rich.padding import Padding  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415 - as Text: no name is taken for markup

    notes: dict[str, int] = {}
    shown = Table(title=f"{pipeline}: what becomes of it", box=box.SIMPLE_HEAD, expand=False)
    shown.add_column("feature and its steps")
    for target in TARGETS:
        shown.add_column(target, no_wrap=True)
    for feature, steps, by_target in table:
        users = Padding(Text(named(steps), style="dim"), (0, 0, 0, 2))
        first = Group(Text(feature), users) if any(steps) else Text(feature)
        shown.add_row(first, *(_cell(by_target[target], notes) for target in TARGETS))
    console.print(shown)
    told = Table.grid(padding=(0, 1))
    for how, number in notes.items():
        told.add_row(Text(f"  {number}"), Text(how))
    console.print(told)


def _cell(findings: Sequence[Finding], notes: dict[str, int]) -> Text:
    from rich.text import Text  # noqa: PLC0415

    verdicts = {one.verdict for one in findings}
    worst = next((one for one in _WORST_FIRST if one in verdicts), "-")
    numbers = [notes.setdefault(one.how, len(notes) + 1) for one in findings if one.how]
    said = " ".join([worst, ",".join(map(str, numbers))]).strip()
    return Text(said, style=_STYLES.get(worst, ""))
