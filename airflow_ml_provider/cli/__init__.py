"""The command ``airflow-ml``. Each subcommand is a module, imported only when it is asked for."""

from __future__ import annotations

import argparse
import os
import select
import sys
from importlib import import_module
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Subcommand and its help; the module airflow_ml_provider.cli.<name> has add_arguments and run.
COMMANDS: Mapping[str, str] = {
    "local": "run an AWS on this machine that really runs SageMaker, Glue and EMR jobs",
    "check": "check the pipelines of a file against AWS's own service models",
    "compile": "compile the pipelines of a file to documents of an orchestrator",
    "diff": "show what a definition would change in what was compiled, or is deployed",
    "parity": "show what each target makes of every feature that a pipeline uses",
    "iam": "print the least that a pipeline's roles must be allowed on a target",
    "run": "run DAGs for some days on this machine, against a local AWS",
    "ui": "start Airflow's UI with a folder of DAGs, against a local AWS",
    "mwaa": "package, check and deploy DAGs for Amazon MWAA",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    parser = argparse.ArgumentParser(prog="airflow-ml")
    commands = parser.add_subparsers(metavar="command", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, add_help=False)
        command.set_defaults(command=name)
    chosen, rest = parser.parse_known_args(argv)
    module = import_module(f"{__name__}.{chosen.command}")
    own = argparse.ArgumentParser(
        prog=f"airflow-ml {chosen.command}",
        description=COMMANDS[chosen.command],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    module.add_arguments(own)
    try:
        code = int(module.run(own.parse_args(rest)))
        sys.stdout.flush()
    except BrokenPipeError:
        if _is_read(sys.stdout):
            raise
        return 1
    return code


def _is_read(stream: TextIO) -> bool:
    poll = select.poll()
    poll.register(stream, 0)
    if not poll.poll(0):
        return True
    # Python flushes once more when it ends:
    # https://docs.python.org/3/library/signal.html#note-on-sigpipe
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return False
