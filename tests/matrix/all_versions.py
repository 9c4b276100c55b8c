"""The package on every version of Amazon MWAA: an environment for each, and all must work there.

``python tests/matrix/all_versions.py [--versions 3.0.6 ...] [--steps install units ...]``. The
table at the end has a column for each version; ``build/matrix.json`` has times and reasons too.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from environment import TREE, StepError, environments
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from steps import FIRST, STEPS

from airflow_ml_provider.mwaa.versions import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from environment import Environment

BUILD = TREE / "build" / "matrix"


@dataclass(frozen=True)
class Result:
    """What came of one step on one version; ``state`` is passed, failed or not run."""

    version: str
    step: str
    state: str
    seconds: float = 0.0
    said: str = ""


def run(
    one: Environment, steps: Mapping[str, Callable[[Environment], str]], told: Console
) -> Iterator[Result]:
    """Run steps for one version; those after a failed environment or installation can't be."""
    version = one.version.airflow
    broken = ""
    for name, step in steps.items():
        if broken:
            yield Result(version, name, "not run", said=f"{broken} failed")
            continue
        began = time.monotonic()
        state = "passed"
        try:
            said = step(one)
        except (OSError, StepError) as error:
            state, said = "failed", str(error)
        seconds = time.monotonic() - began
        shown = said if state == "passed" else "see below"
        told.print(f"{version} {name}: {state} ({seconds:.0f} s) {shown}", markup=False)
        if state == "failed" and name in FIRST:
            broken = name
        yield Result(version, name, state, round(seconds, 1), said)


def table(results: Iterable[Result]) -> Table:
    """Show the steps as rows and the versions as columns."""
    cells = {(result.step, result.version): result for result in results}
    shown = Table(title="The package on the versions of Amazon MWAA", title_justify="left")
    shown.add_column("step")
    versions = list(dict.fromkeys(version for _, version in cells))
    for version in versions:
        shown.add_column(version)
    for step in dict.fromkeys(step for step, _ in cells):
        shown.add_row(step, *(_cell(cells[step, version]) for version in versions))
    return shown


def _cell(result: Result) -> str:
    if result.state != "passed":
        return f"[red]{result.state}[/red]"
    return f"{escape(result.said)} [dim]{result.seconds:.0f} s[/dim]"


def main(argv: list[str] | None = None) -> int:
    """Run the matrix; 1 if anything of it did not pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", nargs="+", choices=list(VERSIONS), default=list(VERSIONS))
    parser.add_argument("--steps", nargs="+", choices=list(STEPS), default=list(STEPS))
    args = parser.parse_args(argv)
    shutil.rmtree(BUILD / "dist", ignore_errors=True)
    console = Console(width=None if sys.stdout.isatty() else 160)
    steps = {name: step for name, step in STEPS.items() if name in args.steps}
    results = [
        result for one in environments(args.versions, BUILD) for result in run(one, steps, console)
    ]
    BUILD.with_suffix(".json").write_text(
        json.dumps([asdict(result) for result in results], indent=2) + "\n"
    )
    console.print(table(results))
    wrong = [result for result in results if result.state != "passed"]
    for result in wrong:
        console.print(
            f"{result.version} {result.step}: {result.state}: {result.said}\n",
            markup=False,
            soft_wrap=True,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
