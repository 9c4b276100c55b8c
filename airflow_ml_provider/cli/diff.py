"""``airflow-ml diff``: what a definition would change in what was compiled, or is deployed."""

from __future__ import annotations

import json
import sys
from difflib import unified_diff
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import compile as compiling
from airflow_ml_provider.cli.definitions import DefinitionError
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.targets.compile import as_text

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from airflow_ml_provider.targets.compile import Compiled


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    compiling.add_arguments(parser)
    parser.add_argument(
        "--deployed",
        action="store_true",
        help="compare with what AWS runs now, by its name, instead of --out",
    )


def run(args: argparse.Namespace) -> int:
    """Print a unified diff; return 1 if something differs, 2 if it can't be told."""
    try:
        made = compiling.compile_all(args)
        pairs = [
            (one, _deployed(one) if args.deployed else _compiled(one, args.out)) for _, one in made
        ]
    except (DefinitionError, PipelineError) as error:
        print(error, file=sys.stderr)
        return 2
    differs = False
    for one, (where, before) in pairs:
        name = f"{one.plan.name}/{one.target}/{compiling.DOCUMENT}"
        lines = [*unified_diff(_lines(before), _lines(one.text), where, f"{name} (now)", n=2)]
        sys.stdout.writelines(lines)
        differs = differs or bool(lines)
    return int(differs)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _compiled(one: Compiled, out: Path) -> tuple[str, str]:
    file = out / one.plan.name / one.target / compiling.DOCUMENT
    if not file.is_file():
        return "/dev/null", ""
    return str(file), file.read_text(encoding="utf-8")


def _deployed(one: Compiled) -> tuple[str, str]:
    from airflow_ml_provider.aws.deployment import deployed_definition  # noqa: PLC0415 - boto3

    try:
        found = deployed_definition(one.target, one.plan.name)
    except ValueError as error:
        raise DefinitionError(str(error)) from error
    if found is None:
        return "/dev/null", ""
    # As it is written here, so that only what differs is shown.
    return f"{one.plan.name} (deployed)", as_text(json.loads(found))
