"""``airflow-ml compile``: a file's pipelines as documents of an orchestrator."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import definitions
from airflow_ml_provider.cli.definitions import DefinitionError
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.targets.compile import TARGETS, as_text, compile_pipeline
from airflow_ml_provider.targets.finding import KEPT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from airflow_ml_provider.cli.definitions import Definition
    from airflow_ml_provider.targets.compile import Compiled

DOCUMENT = "definition.json"
TEMPLATE = "template.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    definitions.add_arguments(parser)
    parser.add_argument(
        "--target", action="append", choices=[*TARGETS], required=True, help="repeatable"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/compiled"), help="gets <pipeline>/<target>/"
    )


def run(args: argparse.Namespace) -> int:
    """Compile all, then write; return 1, with nothing written, if something can't be compiled."""
    try:
        made = compile_all(args)
    except (DefinitionError, PipelineError) as error:
        print(error, file=sys.stderr)
        return 1
    for definition, compiled in made:
        folder = args.out / definition.pipeline.name / compiled.target
        _write(folder, files(definition, compiled))
        print(f"{folder}: {DOCUMENT}, {TEMPLATE}, {len(compiled.code)} code objects")
        for finding in compiled.findings:
            if finding.verdict != KEPT:
                print(f"  {finding.step or 'pipeline'}: {finding.feature}: {finding.how}")
    return 0


def compile_all(args: argparse.Namespace) -> list[tuple[Definition, Compiled]]:
    """Compile the pipelines that the options name for each of the targets that they name.

    :raises PipelineError: all problems of all of them.
    """
    made: list[tuple[Definition, Compiled]] = []
    errors: list[PipelineError] = []
    for definition in definitions.load(args):
        for target in dict.fromkeys(args.target):
            try:
                compiled = compile_pipeline(definition.pipeline, target, definition.account)
            except PipelineError as error:  # noqa: PERF203 - all of them are told
                errors.append(error)
            else:
                made.append((definition, compiled))
    if errors:
        problems = dict.fromkeys(problem for error in errors for problem in error.problems)
        raise PipelineError(str(args.file), problems)
    return made


def files(definition: Definition, compiled: Compiled) -> dict[str, bytes]:
    """Give what is written for one pipeline and target, by path."""
    from airflow_ml_provider.targets.cloudformation import template  # noqa: PLC0415 - only here

    deployed = template(
        compiled.plan, compiled.target, compiled.document, schedule=definition.schedule
    )
    return {
        DOCUMENT: compiled.text.encode(),
        TEMPLATE: as_text(deployed).encode(),
        **compiled.code,
    }


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # What is there is replaced as a whole, so that no file of an older definition stays.
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, body in contents.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        made.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
