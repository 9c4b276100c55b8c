"""``airflow-ml check``: the pipelines of a file against AWS's own service models."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.cli.laptop import ROLE_ARN, ROOT
from airflow_ml_provider.pipeline import Account, Pipeline, PipelineError

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
    failed = False
    for file in args.files:
        try:
            found = _pipelines(file)
            for pipeline in found:
                _check(pipeline, account)
                print(f"{file}: {pipeline.name}: {len(list(pipeline.all_steps()))} steps, good")
        except (OSError, PipelineError) as error:
            failed = True
            print(f"{file}: {error}", file=sys.stderr)
            continue
        if not found:
            failed = True
            print(f"{file}: it defines no Pipeline at its top level", file=sys.stderr)
    return int(failed)


def _pipelines(file: Path) -> list[Pipeline]:
    return [one for one in runpy.run_path(str(file)).values() if isinstance(one, Pipeline)]


def _check(pipeline: Pipeline, account: Account) -> None:
    from airflow_ml_provider.aws.check import plan_problems  # noqa: PLC0415 - loads botocore
    from airflow_ml_provider.plan.build import build  # noqa: PLC0415

    problems = plan_problems(build(pipeline, account))
    if problems:
        raise PipelineError(f"pipeline {pipeline.name!r}", problems)
