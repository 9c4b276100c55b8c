"""``airflow-ml run --target``: compiled pipelines for some days on the local AWS.

The orchestrator runs as a role that has the generated policy and no other, and is held to it.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from airflow_ml_provider.aws import execution
from airflow_ml_provider.aws.deployment import deploy
from airflow_ml_provider.cli import laptop
from airflow_ml_provider.cli.definitions import DefinitionError, definitions, filled
from airflow_ml_provider.cli.report import show_pause
from airflow_ml_provider.local.access import unused_actions
from airflow_ml_provider.pipeline import Account, PipelineError, SqlExtract
from airflow_ml_provider.targets.compile import compile_pipeline
from airflow_ml_provider.targets.iam import policies

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from rich.console import Console

    from airflow_ml_provider.cli.definitions import Definition
    from airflow_ml_provider.cli.run import Wanted
    from airflow_ml_provider.local.server import LocalAws
    from airflow_ml_provider.targets.compile import Compiled

_BUCKET = re.compile(r"s3://([a-z0-9.-]+)/")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:([A-Za-z0-9_-]+)")
# Any Python runs it here; on AWS it is an image that has boto3 and pyarrow.
WORKER_IMAGE_URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/airflow-ml-worker:1"
_POLL_SECONDS = 0.5
_ACCOUNT_ID = laptop.ROLE_ARN.split(":")[4]


@dataclass(frozen=True)
class Role:
    """What an orchestrator runs as, and what that may do."""

    arn: str
    policy: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """One execution of a pipeline for the data of an interval."""

    pipeline: str
    target: str
    arn: str
    interval: tuple[datetime, datetime]
    succeeded: bool
    status: str
    reason: str | None
    steps: tuple[execution.Step, ...]


def run(args: argparse.Namespace, folder: Path, aws: LocalAws, console: Console) -> int:
    """Compile, deploy and run; return 1 if a run failed or something can't be compiled."""
    try:
        found = _found(args)
        compiled = {name: _compiled(one, args.target) for name, one in found.items()}
    except (DefinitionError, PipelineError) as error:
        console.print(str(error), style="red", highlight=False)
        return 1
    client = cache(partial(laptop.client, endpoint_url=aws.endpoint_url))
    _prepare(aws, compiled.values())
    for conn_id in laptop.keep_secrets(client("secretsmanager"), _conn_ids(found.values())):
        console.print(
            f"connection {conn_id!r} is not given: --sqlite {conn_id}=FILE, or the variable "
            f"AIRFLOW_CONN_{conn_id.upper()} (a URI or JSON)",
            style="yellow",
            highlight=False,
        )
    roles = {name: _role(one, client) for name, one in compiled.items()}
    results = []
    for one in args.runs:
        for interval in _intervals(one):
            console.rule(f"{one.dag_id} on {args.target}, {interval[0]:%Y-%m-%d}", align="left")
            role_arn = roles[one.dag_id].arn
            results.append(_run(compiled[one.dag_id], role_arn, interval, client, console))
            _show(console, results[-1])
    objects = laptop.keep_objects(aws.endpoint_url, folder / "s3")
    text = json.dumps([asdict(one) for one in results], indent=2, default=str)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    unused = {
        name: unused_actions(role.policy, [call for call in aws.calls if call.role_arn == role.arn])
        for name, role in roles.items()
    }
    (folder / "unused_actions.json").write_text(json.dumps(unused, indent=2), encoding="utf-8")
    console.print(f"Artifacts: {objects} objects under {folder}/s3", highlight=False)
    console.print(f"Job folders and logs: {aws.state_dir}", highlight=False)
    console.print(f"All of this as JSON: {folder}/report.json", highlight=False)
    return 0 if all(one.succeeded for one in results) else 1


def _found(args: argparse.Namespace) -> dict[str, Definition]:
    found = {one.pipeline.name: one for one in _definitions(args.dags)}
    wanted = dict.fromkeys(one.dag_id for one in args.runs)
    if unknown := [name for name in wanted if name not in found]:
        there = ", ".join(sorted(found)) or "none"
        raise DefinitionError(f"{', '.join(unknown)}: unknown; there are {there}")
    return {name: found[name] for name in wanted}


def _compiled(definition: Definition, target: str) -> Compiled:
    account = Account(laptop.ROLE_ARN, laptop.ROOT, worker_image_uri=WORKER_IMAGE_URI)
    return compile_pipeline(definition.pipeline, target, filled(definition.account, account))


def _conn_ids(definitions: Iterable[Definition]) -> set[str]:
    steps = (step for one in definitions for step in one.pipeline.all_steps())
    return {step.conn_id for step in steps if isinstance(step, SqlExtract)}


def _definitions(folder: Path) -> Iterator[Definition]:
    for file in sorted(folder.rglob("*.py")):
        # As Airflow does: other files of the folder are no definitions.
        if "airflow_ml_provider" in file.read_text(encoding="utf-8"):
            yield from definitions(file)


def _prepare(aws: LocalAws, compiled: Collection[Compiled]) -> None:
    # What a worker job does stands in its code.
    code = (body for one in compiled for name, body in one.code.items() if name.endswith(".json"))
    text = "".join([*(one.text for one in compiled), *map(bytes.decode, code)])
    laptop.prepare_account(aws.endpoint_url, set(_BUCKET.findall(text)), set(_TOPIC.findall(text)))


def _role(compiled: Compiled, client: Any) -> Role:
    made = policies(compiled.plan, compiled.target, region=laptop.REGION, account_id=_ACCOUNT_ID)
    trust, policy = made["execution"]["trust"], made["execution"]["policy"]
    name = f"{compiled.plan.name}-orchestrator"
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    client("iam").put_role_policy(
        RoleName=name, PolicyName="generated", PolicyDocument=json.dumps(policy)
    )
    return Role(role["Role"]["Arn"], policy)


def _intervals(one: Wanted) -> list[tuple[datetime, datetime]]:
    if not one.days:
        now = datetime.now(timezone.utc)
        return [(now, now)]
    return [(when - timedelta(days=1), when) for when in one.logical_dates]


def _run(
    compiled: Compiled,
    role_arn: str,
    interval: tuple[datetime, datetime],
    client: Any,
    console: Console,
) -> Result:
    token = f"{compiled.plan.name[:40]}-{interval[0]:%Y%m%dT%H%M%S}-{time.time_ns()}"
    arn = deploy(compiled, role_arn, client)
    started = execution.start(compiled, arn, interval, client, token=token)
    seen: set[tuple[int, int]] = set()

    def tell() -> None:
        for key, pause in execution.retry_pauses(started, client, compiled.document).items():
            if key not in seen:
                show_pause(console, pause)
            seen.add(key)

    ended = execution.wait(started, client, poll_seconds=_POLL_SECONDS, on_poll=tell)
    return Result(
        pipeline=compiled.plan.name,
        target=compiled.target,
        arn=started,
        interval=interval,
        succeeded=ended.succeeded,
        status=ended.status,
        reason=ended.reason,
        steps=tuple(execution.steps(started, client)),
    )


def _show(console: Console, result: Result) -> None:
    table = Table()
    for column in ("step", "status", "seconds", "error"):
        table.add_column(column, overflow="fold")
    for step in result.steps:
        seconds = "" if step.seconds is None else f"{step.seconds:.1f}"
        # As Text: rich takes what stands in brackets for its own.
        table.add_row(step.name, step.status, seconds, Text(step.reason or ""))
    console.print(table)
    said = f": {result.reason}" if result.reason else ""
    style = "green" if result.succeeded else "red"
    console.print(f"{result.status}{said}", style=style, markup=False, highlight=False)
