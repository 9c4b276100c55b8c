"""``airflow-ml check``: the pipelines of a file against AWS's own service models."""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
import traceback
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
    # A DAG file imports Airflow, which would leave a home of its own behind.
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("AIRFLOW_HOME", home)
        for option in ("role_arn", "root"):
            name = f"AIRFLOW__AIRFLOW_ML_PROVIDER__{option.upper()}"
            os.environ.setdefault(name, getattr(args, option))
        return max([_check(file, account) for file in args.files])


def _check(file: Path, account: Account) -> int:
    from airflow_ml_provider.aws.check import plan_problems  # noqa: PLC0415 - loads botocore
    from airflow_ml_provider.plan.build import build  # noqa: PLC0415

    try:
        found = [one for one in runpy.run_path(str(file)).values() if isinstance(one, Pipeline)]
        for pipeline in found:
            if problems := plan_problems(build(pipeline, account)):
                raise PipelineError(f"pipeline {pipeline.name!r}", problems)  # noqa: TRY301
            print(f"{file}: {pipeline.name}: {len(list(pipeline.all_steps()))} steps, good")
    except (OSError, PipelineError) as error:
        print(f"{file}: {error}", file=sys.stderr)
        return 1
    except Exception:  # noqa: BLE001 - the file is the user's own code; the next one counts too
        print(f"{file}: it can't be imported\n{traceback.format_exc(limit=-1)}", file=sys.stderr)
        return 1
    if not found:
        print(f"{file}: it defines no Pipeline at its top level", file=sys.stderr)
    return int(not found)
