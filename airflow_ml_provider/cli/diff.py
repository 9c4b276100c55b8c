"""``airflow-ml diff``: what a definition would change in what was compiled, or is deployed."""

from __future__ import annotations

import json
import sys
from difflib import unified_diff
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import compile as compiling
from airflow_ml_provider.cli.definitions import DefinitionError
from airflow_ml_provider.targets.compile import as_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from airflow_ml_provider.targets.compile import Compiled


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    compiling.add_arguments(parser)
    parser.add_argument(
        "--deployed",
        action="store_true",
        help="compare the definition with what AWS runs now, by its name, instead of --out",
    )


def run(args: argparse.Namespace) -> int:
    """Print a unified diff; return 1 if something differs, 2 if it can't be told."""
    try:
        made = compiling.compile_all(args, compiling.files)
        lines = [
            line
            for one, files in made
            for line in (_deployed(one) if args.deployed else _compiled(one, files, args.out))
        ]
    except (DefinitionError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    sys.stdout.writelines(lines)
    return int(bool(lines))


def _compiled(one: Compiled, files: Mapping[str, bytes], out: Path) -> Iterator[str]:
    folder = out / one.plan.name / one.target
    if not folder.is_dir():
        yield f"{folder}: nothing was compiled there yet\n"
        return
    before = {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
    for name in sorted({*before, *files}):
        if name not in files:
            yield f"{folder}/{name}: not needed any more\n"
        elif name not in before:
            yield f"{folder}/{name}: new\n"
        elif name in {compiling.DOCUMENT, compiling.TEMPLATE}:
            yield from _lines(_text(name, before), _text(name, files), f"{folder}/{name}")
        elif before[name] != files[name]:
            # Its name is the hash of its content.
            yield f"{folder}/{name}: changed by hand\n"


def _text(name: str, files: Mapping[str, bytes]) -> str:
    text = files[name].decode(errors="replace")
    if name == compiling.DOCUMENT:
        return text
    # The template holds the definition as one line of text, which is compared on its own.
    try:
        definition = json.loads(files.get(compiling.DOCUMENT, b""))
    except ValueError:
        return text
    held = json.dumps(definition, ensure_ascii=False, separators=(",", ":"))
    return text.replace(json.dumps(held, ensure_ascii=False), f'"<{compiling.DOCUMENT}>"')


def _deployed(one: Compiled) -> Iterator[str]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only here

    from airflow_ml_provider.aws.clients import client  # noqa: PLC0415
    from airflow_ml_provider.aws.deployment import deployed_definition  # noqa: PLC0415

    name = f"{one.plan.name} on {one.target}"
    try:
        found = deployed_definition(one.target, one.plan.name, client)
    except (ValueError, BotoCoreError, ClientError) as error:
        raise DefinitionError(f"{name}: {error}") from error
    if found is None:
        yield f"{name}: nothing is deployed under its name\n"
        return
    # As it is written here, so that only what differs is shown.
    yield from _lines(as_text(json.loads(found)), one.text, name)


def _lines(before: str, now: str, name: str) -> Iterator[str]:
    old, new = (text.splitlines(keepends=True) for text in (before, now))
    for line in unified_diff(old, new, name, f"{name} (now)", n=2):
        yield line if line.endswith("\n") else f"{line}\n"
