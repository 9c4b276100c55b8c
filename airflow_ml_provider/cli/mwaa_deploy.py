"""``airflow-ml mwaa deploy``: a package to an environment, or to the bucket of one to come."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.cli.mwaa_doctor import clients

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_ml_provider.mwaa.deploy import Deployment
    from airflow_ml_provider.mwaa.environment import Environment, Used

# As the parameters of mwaa/cloudformation/environment.yaml are called.
_PARAMETERS = {
    "plugins.zip": "PluginsVersion",
    "requirements.txt": "RequirementsVersion",
    "startup.sh": "StartupVersion",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--package", type=Path, required=True, help="what airflow-ml mwaa package wrote"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--environment", help="the environment that gets it")
    where.add_argument("--bucket", help="of an environment to come: upload only")
    parser.add_argument("--region", help="of AWS, instead of your own configuration's")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and change nothing"
    )
    parser.add_argument(
        "--delete", action="store_true", help="delete DAG files that the package has not"
    )
    parser.add_argument(
        "--no-wait",
        action="store_true",
        help="end once the update began; the DAGs then go before it is done",
    )
    parser.add_argument(
        "--timeout-minutes", type=_positive, default=90.0, help="how long to wait for the update"
    )
    parser.add_argument(
        "--poll-seconds", type=_positive, default=30.0, help="between two looks at the update"
    )


def run(args: argparse.Namespace) -> int:
    """Deploy; return 1 if it is refused, with nothing changed, or if the update failed."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow

    from airflow_ml_provider.mwaa.environment import MwaaError  # noqa: PLC0415
    from airflow_ml_provider.mwaa.packaged import PackageFolderError  # noqa: PLC0415

    try:
        return _run(args, clients(args.region))
    except (BotoCoreError, ClientError, MwaaError, OSError, PackageFolderError) as error:
        print(error, file=sys.stderr)
        return 1


def _positive(text: str) -> float:
    if not 0 < (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: must be more than 0")
    return number


def _run(args: argparse.Namespace, client: Callable[[str], Any]) -> int:
    from airflow_ml_provider.cli.mwaa_findings import show  # noqa: PLC0415 - loads botocore
    from airflow_ml_provider.mwaa import deploy  # noqa: PLC0415
    from airflow_ml_provider.mwaa.doctor import Subject, examine  # noqa: PLC0415
    from airflow_ml_provider.mwaa.environment import read  # noqa: PLC0415
    from airflow_ml_provider.mwaa.finding import BUCKET, ENVIRONMENT, has_errors  # noqa: PLC0415
    from airflow_ml_provider.mwaa.packaged import read_package  # noqa: PLC0415

    package = read_package(args.package)
    environment = read(client("mwaa"), args.environment) if args.environment else None
    bucket = environment.bucket if environment else args.bucket
    region = environment.region if environment else args.region or ""
    subject = Subject(package.version, environment, bucket=bucket, region=region)
    found = examine(subject, client, (ENVIRONMENT, BUCKET))
    if has_errors(found):
        show(found, f"{args.package} was not deployed, and nothing was changed")
        return 1
    deployment = deploy.planned(client("s3"), package, bucket, environment, delete=args.delete)
    _show(deployment, deploy.stale(deployment))
    if args.dry_run:
        print("Nothing was changed.")
        return 0
    files = deploy.upload_files(client("s3"), deployment, print)
    if environment and files:
        environment = _updated(args, client, environment, files)
        if environment is None:
            return 1
    # Not only after an update: who repeats one that was not waited for has nothing to update.
    if environment and not args.no_wait and not _installed(client, environment):
        return 1
    deploy.put_dags(client("s3"), deployment, print)
    if environment is None:
        said = " ".join(f"{_PARAMETERS[name]}={one.version_id}" for name, one in files.items())
        print(f"The parameters of mwaa/cloudformation/environment.yaml: {said}")
    print(f"Deployed {args.package} to {environment.name if environment else bucket}.")
    return 0


def _updated(
    args: argparse.Namespace,
    client: Callable[[str], Any],
    before: Environment,
    files: Mapping[str, Used],
) -> Environment | None:
    """Update the environment; give it as it then is, or nothing where that can't be told."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow

    from airflow_ml_provider.mwaa.deploy import rollback  # noqa: PLC0415
    from airflow_ml_provider.mwaa.environment import MwaaError, request, wait  # noqa: PLC0415

    client("mwaa").update_environment(**request(before.name, files))
    print(f"updating {before.name}: {', '.join(files)}")
    back = rollback(before, files)
    print(f"To go back to what it used before:\n  {back}" if back else "It used none before.")
    if args.no_wait:
        return before
    try:
        return wait(
            client("mwaa"),
            before,
            timeout_seconds=args.timeout_minutes * 60,
            poll_seconds=args.poll_seconds,
            tell=lambda status: print(f"{before.name} is {status}", flush=True),
        )
    except KeyboardInterrupt:
        print(
            f"The update of {before.name} goes on; the DAGs were not uploaded. Deploy again once "
            "it is AVAILABLE.",
            file=sys.stderr,
        )
    except (BotoCoreError, ClientError, MwaaError) as error:
        print(f"{error}\nThe DAGs were not uploaded.", file=sys.stderr)
    return None


def _installed(client: Callable[[str], Any], environment: Environment) -> bool:
    from airflow_ml_provider.cli.mwaa_findings import show  # noqa: PLC0415 - loads botocore
    from airflow_ml_provider.mwaa.finding import GOOD, has_errors  # noqa: PLC0415
    from airflow_ml_provider.mwaa.install_log import install_log_findings  # noqa: PLC0415

    found = [*install_log_findings(client("logs"), environment)]
    if any(one.severity != GOOD for one in found):
        show(found, "What its machines logged of the installation")
    if has_errors(found):
        print("The DAGs were not uploaded.", file=sys.stderr)
        return False
    return True


def _show(deployment: Deployment, stale: Mapping[str, Used]) -> None:
    from rich.table import Table  # noqa: PLC0415 - only for people

    from airflow_ml_provider.cli.mwaa_findings import console  # noqa: PLC0415
    from airflow_ml_provider.mwaa.deploy import KEEP  # noqa: PLC0415

    before = deployment.before
    table = Table(title=f"s3://{deployment.bucket}", title_justify="left")
    for column in ("object", "action", "the environment"):
        table.add_column(column, overflow="fold")
    for one in deployment.files:
        kept = f"keep version {one.version_id}" if one.action == KEEP else one.action
        used = before.files[one.name].version_id or "nothing" if before else "is not there yet"
        uses = f"uses {used}{', is updated' if one.name in stale else ''}" if before else used
        table.add_row(one.key, kept, uses)
    packaged = {one.name for one in deployment.files}
    for name, kept_in_use in before.files.items() if before else ():
        if kept_in_use.key and name not in packaged:
            table.add_row(kept_in_use.key, "stays", "uses it still; the package has none")
    changed = [one for one in deployment.dags if one.action != KEEP]
    for one in changed:
        table.add_row(one.key, one.action, "reads it by itself")
    if same := len(deployment.dags) - len(changed):
        table.add_row(f"{same} DAG files", "keep", "")
    for path in deployment.left:
        table.add_row(path, "stays", "not in the package; --delete removes it")
    console().print(table)
    if before and not stale:
        print(f"{before.name} needs no update: it uses these versions already.")
