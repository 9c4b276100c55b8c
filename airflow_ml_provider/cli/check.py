"""``airflow-ml check``: the pipelines of a file against AWS's own service models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.cli.definitions import DefinitionError, definitions
from airflow_ml_provider.cli.laptop import ROLE_ARN, ROOT
from airflow_ml_provider.pipeline import Account, PipelineError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("files", nargs="+", type=Path, help="Python files that define pipelines")
    parser.add_argument("--role-arn", default=ROLE_ARN, help="stands for the configured one")
    parser.add_argument("--root", default=ROOT, help="stands for the configured one")


def run(args: argparse.Namespace) -> int:
    """Check each file; return 1 if one has a problem. Needs no credentials and no network."""
    account = Account(role_arn=args.role_arn, root=args.root)
    return max([_check(file, account) for file in args.files])


def _check(file: Path, account: Account) -> int:
    from airflow_ml_provider.aws.check import plan_problems  # noqa: PLC0415 - loads botocore
    from airflow_ml_provider.plan.build import build  # noqa: PLC0415

    try:
        found = definitions(file)
        if not found:
            raise DefinitionError(f"{file}: it defines no Pipeline at its top level")  # noqa: TRY301
        for one in found:
            pipeline = one.pipeline
            if problems := plan_problems(build(pipeline, one.account or account)):
                raise PipelineError(f"pipeline {pipeline.name!r}", problems)  # noqa: TRY301
            print(f"{file}: {pipeline.name}: {len(list(pipeline.all_steps()))} steps, good")
    except PipelineError as error:
        print(f"{file}: {error}", file=sys.stderr)
        return 1
    except DefinitionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
