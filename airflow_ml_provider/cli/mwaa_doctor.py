"""``airflow-ml mwaa doctor``: will it work on MWAA, and does what is there?"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.mwaa.finding import CHECKS, DAGS, ROLE
from airflow_ml_provider.mwaa.versions import VERSIONS, mwaa_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.mwaa.doctor import Subject
    from airflow_ml_provider.mwaa.finding import Finding

_FILES = {
    "plugins.zip": "plugins",
    "requirements.txt": "requirements",
    "startup.sh": "startup_script",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--environment", help="one that is there: gives version, role and bucket")
    parser.add_argument("--region", help="of AWS, instead of your own configuration's")
    parser.add_argument("--version", choices=[*VERSIONS], help="of MWAA, without an environment")
    parser.add_argument(
        "--package", type=Path, help="what airflow-ml mwaa package wrote: version and all files"
    )
    parser.add_argument("--requirements", type=_file, help="a requirements.txt")
    parser.add_argument("--plugins", type=_file, help="a plugins.zip")
    parser.add_argument("--startup-script", type=_file, help="a startup.sh")
    parser.add_argument("--dags", type=_folder, help="the DAGs folder")
    parser.add_argument(
        "--python", type=_file, help="one with that Airflow and the requirements, for the DAGs"
    )
    parser.add_argument(
        "--role-arn", type=_role_arn, help="the execution role, without an environment"
    )
    parser.add_argument("--bucket", help="the environment's, without an environment")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        type=_option,
        metavar="SECTION.OPTION=VALUE",
        help="an option of Airflow that the environment gets (repeatable)",
    )
    parser.add_argument("--only", action="append", choices=CHECKS, help="this check (repeatable)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Make the checks and tell all that they found; return 1 if something keeps it from working."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow

    from airflow_ml_provider.cli.mwaa_findings import as_json, show  # noqa: PLC0415
    from airflow_ml_provider.cli.mwaa_policies import folder_policies  # noqa: PLC0415
    from airflow_ml_provider.mwaa.doctor import examine  # noqa: PLC0415
    from airflow_ml_provider.mwaa.environment import MwaaError  # noqa: PLC0415
    from airflow_ml_provider.mwaa.finding import has_errors  # noqa: PLC0415
    from airflow_ml_provider.mwaa.packaged import PackageFolderError  # noqa: PLC0415

    client = clients(args.region)
    checks = tuple(args.only or CHECKS)
    try:
        subject = _subject(args, client)
        unread: list[Finding] = []
        if subject.dags and subject.role_arn and ROLE in checks:
            region = subject.region or client("s3").meta.region_name
            policies, unread = folder_policies(
                subject.dags, subject.options, subject.role_arn, region
            )
            subject = replace(subject, policies=policies)
        found = [*examine(subject, client, checks), *unread]
    except (
        BotoCoreError,
        ClientError,
        MwaaError,
        OSError,
        PackageFolderError,
        ValueError,
    ) as error:
        print(error, file=sys.stderr)
        return 1
    found.sort(key=lambda one: CHECKS.index(one.check))
    airflow = subject.version.airflow
    if args.json:
        print(as_json(found, airflow))
    else:
        show(found, f"MWAA {airflow}")
    return 1 if has_errors(found) else 0


def clients(region: str | None) -> Callable[[str], Any]:
    """Give what makes the boto3 client of a service, once for each."""
    from airflow_ml_provider.aws.clients import client  # noqa: PLC0415 - loads botocore

    return cache(partial(client, region=region))


def _subject(args: argparse.Namespace, client: Callable[[str], Any]) -> Subject:
    from airflow_ml_provider.mwaa.doctor import Subject  # noqa: PLC0415 - loads botocore
    from airflow_ml_provider.mwaa.environment import read  # noqa: PLC0415
    from airflow_ml_provider.mwaa.packaged import read_package  # noqa: PLC0415

    package = read_package(args.package) if args.package else None
    environment = read(client("mwaa"), args.environment) if args.environment else None
    version = args.version
    if package and not version:
        version = package.version.airflow
    if environment and not version:
        version = environment.airflow
    if not version:
        raise ValueError("for which version of MWAA? give --version, --environment or --package")
    given = {name: getattr(args, option) for name, option in _FILES.items()}
    return Subject(
        version=mwaa_version(version),
        environment=environment,
        files={
            **(package.files if package else {}),
            **{name: file for name, file in given.items() if file},
        },
        dags=args.dags or (package.folder / DAGS if package and package.dags else None),
        python=args.python,
        options={**(environment.options if environment else {}), **dict(args.option)},
        role_arn=args.role_arn or (environment.role_arn if environment else ""),
        bucket=args.bucket or (environment.bucket if environment else ""),
        region=args.region or (environment.region if environment else ""),
    )


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is no file")
    return path.absolute()


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return path


def _role_arn(text: str) -> str:
    if not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/\S+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no ARN of a role; it must be arn:aws:iam::<account>:role/<name>"
        )
    return text


def _option(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} must be SECTION.OPTION=VALUE")
    return name, value
