"""``airflow-ml iam``: the least that a pipeline's roles must be allowed on a target."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import compile as compiling
from airflow_ml_provider.cli.definitions import DefinitionError
from airflow_ml_provider.targets.compile import as_text

if TYPE_CHECKING:
    import argparse

    from airflow_ml_provider.targets.compile import Compiled


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    compiling.add_targets(parser)
    parser.add_argument("--partition", default="aws", help="of the ARNs")
    parser.add_argument("--region", default="us-east-1", help="where the pipeline runs")
    parser.add_argument("--account-id", default="123456789012", help="where the pipeline runs")


def run(args: argparse.Namespace) -> int:
    """Print the policies as JSON, by pipeline and target."""
    from airflow_ml_provider.targets.iam import policies  # noqa: PLC0415 - only here

    place = {name: getattr(args, name) for name in ("partition", "region", "account_id")}

    def allowed(_: object, one: Compiled) -> dict[str, object]:
        return policies(one.plan, one.target, **place)

    try:
        made = compiling.compile_all(args, allowed)
    except DefinitionError as error:
        print(error, file=sys.stderr)
        return 1
    found: dict[str, dict[str, object]] = {}
    for one, granted in made:
        found.setdefault(one.plan.name, {})[one.target] = granted
    sys.stdout.write(as_text(found))
    return 0
