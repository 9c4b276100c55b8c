"""``airflow-ml mwaa``: bring DAGs and this package to Amazon MWAA."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Subcommand and its help; the module airflow_ml_provider.cli.mwaa_<name> has add_arguments and run.
COMMANDS: Mapping[str, str] = {
    "package": "make plugins.zip, requirements.txt and the DAGs that an environment takes",
    "doctor": "say whether requirements, options, DAGs, role and bucket will work",
    "deploy": "bring what was packaged to the environment, and wait until it runs",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand; its own options are read by its module, imported only then."""
    said = "; ".join(f"{name}: {text}" for name, text in COMMANDS.items())
    parser.add_argument("command", choices=[*COMMANDS], help=said)
    parser.add_argument("options", nargs=argparse.REMAINDER, help="of the command; --help lists")


def run(args: argparse.Namespace) -> int:
    """Run the subcommand, and return its exit code."""
    module = import_module(f"{__package__}.mwaa_{args.command}")
    parser = argparse.ArgumentParser(
        prog=f"airflow-ml mwaa {args.command}",
        description=COMMANDS[args.command],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(args.options)))
