"""``airflow-ml compile``: a file's pipelines as documents of an orchestrator."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from airflow_ml_provider.cli import definitions
from airflow_ml_provider.cli.definitions import DefinitionError
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.targets.compile import TARGETS, as_text, compile_pipeline
from airflow_ml_provider.targets.finding import KEPT, grouped, named

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from airflow_ml_provider.cli.definitions import Definition
    from airflow_ml_provider.targets.compile import Compiled

DOCUMENT = "definition.json"
TEMPLATE = "template.json"
_Made = TypeVar("_Made")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_targets(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("build/compiled"), help="gets <pipeline>/<target>/"
    )


def add_targets(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is compiled for which targets."""
    definitions.add_arguments(parser)
    parser.add_argument(
        "--target", action="append", choices=[*TARGETS], required=True, help="repeatable"
    )


def run(args: argparse.Namespace) -> int:
    """Compile all, then write; return 1, with nothing written, if something can't be compiled."""
    try:
        made = compile_all(args, files)
        written = {f"{one.plan.name}/{one.target}": contents for one, contents in made}
        _write(args.out, written)
    except DefinitionError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"--out {args.out}: can't be written: {error}", file=sys.stderr)
        return 1
    for one, _ in made:
        folder = args.out / one.plan.name / one.target
        print(f"{folder}: {DOCUMENT}, {TEMPLATE}, {len(one.code)} code objects")
        for finding, steps in grouped(one.findings).items():
            if finding.verdict != KEPT:
                where = f" of {named(steps)}" if any(steps) else ""
                print(f"  {finding.verdict}: {finding.feature}{where}: {finding.how}")
    return 0


def compile_all(
    args: argparse.Namespace, make: Callable[[Definition, Compiled], _Made]
) -> list[tuple[Compiled, _Made]]:
    """Compile the pipelines that the options name for each of the targets that they name.

    ``make`` makes of each what the command is for.

    :raises DefinitionError: all problems of all of them.
    """
    made: list[tuple[Compiled, _Made]] = []
    errors: list[str] = []
    for definition in definitions.load(args):
        problems: list[str] = []
        for target in dict.fromkeys(args.target):
            try:
                compiled = compile_pipeline(definition.pipeline, target, definition.account)
                made.append((compiled, make(definition, compiled)))
            except PipelineError as error:  # noqa: PERF203 - all of them are told
                problems += error.problems
        if problems:
            name = f"{args.file}: pipeline {definition.pipeline.name!r}"
            errors.append(str(PipelineError(name, dict.fromkeys(problems))))
    if errors:
        raise DefinitionError("\n".join(errors))
    return made


def files(definition: Definition, compiled: Compiled) -> dict[str, bytes]:
    """Give what is written for one pipeline and target, by path.

    :raises PipelineError: no template can say it, such as a schedule.
    """
    from airflow_ml_provider.targets.cloudformation import template  # noqa: PLC0415 - only here

    deployed = template(
        compiled.plan, compiled.target, compiled.document, schedule=definition.schedule
    )
    return {
        DOCUMENT: compiled.text.encode(),
        TEMPLATE: as_text(deployed).encode(),
        **compiled.code,
    }


def _write(out: Path, folders: Mapping[str, Mapping[str, bytes]]) -> None:
    for name in folders:
        folder = out / name
        if folder.exists() and not (folder / DOCUMENT).is_file():
            raise OSError(f"{folder} is there and has no {DOCUMENT}: remove it, or take another")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".compiled-", dir=out) as made:
        for name, contents in folders.items():
            for file, body in contents.items():
                path = Path(made, "new", name, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
        # What is there is replaced as a whole, so that no file of an older definition stays.
        for name in folders:
            folder, old = out / name, Path(made, "old", name)
            folder.parent.mkdir(exist_ok=True)
            old.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists():
                folder.rename(old)
            Path(made, "new", name).rename(folder)
