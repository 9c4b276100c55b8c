"""``airflow-ml iam``: the least that a pipeline's roles must be allowed on a target."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import compile as compiling
from airflow_ml_provider.cli import definitions
from airflow_ml_provider.cli.definitions import DefinitionError
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.targets.compile import TARGETS, as_text

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    definitions.add_arguments(parser)
    parser.add_argument(
        "--target", action="append", choices=[*TARGETS], required=True, help="repeatable"
    )
    parser.add_argument("--partition", default="aws")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--account-id", default="123456789012")


def run(args: argparse.Namespace) -> int:
    """Print the policies as JSON, by pipeline and target."""
    from airflow_ml_provider.targets.iam import policies  # noqa: PLC0415 - only here

    try:
        made = compiling.compile_all(args)
    except (DefinitionError, PipelineError) as error:
        print(error, file=sys.stderr)
        return 1
    place = {name: getattr(args, name) for name in ("partition", "region", "account_id")}
    found: dict[str, dict[str, object]] = {}
    for _, one in made:
        found.setdefault(one.plan.name, {})[one.target] = policies(one.plan, one.target, **place)
    sys.stdout.write(as_text(found))
    return 0
