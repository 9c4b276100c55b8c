"""An environment of Amazon MWAA as its API describes it, and its states.

https://docs.aws.amazon.com/mwaa/latest/API/API_Environment.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import error_code, is_transient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

# UPDATE_FAILED: the former state is back, and runs.
RUNNING = frozenset({"AVAILABLE", "UPDATE_FAILED"})
_LOST = frozenset({"DELETED", "DELETING", "UNAVAILABLE"})
FILES = ("plugins.zip", "requirements.txt", "startup.sh")
"""What an environment takes from its bucket besides DAGs, each as one version of one object."""
_FIELDS = {
    "plugins.zip": "Plugins",
    "requirements.txt": "Requirements",
    "startup.sh": "StartupScript",
}


class MwaaError(Exception):
    """An environment that is not there, can't be updated or did not get well; says the mend."""


@dataclass(frozen=True)
class Used:
    """A file that an environment uses: its key, and the version of the object; empty if none."""

    key: str = ""
    version_id: str = ""


@dataclass(frozen=True)
class Update:
    """The last update of an environment."""

    status: str
    created_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True)
class Environment:
    """What matters here of an environment.

    :param dags: the prefix of its DAGs in the bucket.
    :param files: what it uses, by the name in ``FILES``.
    :param options: ``AirflowConfigurationOptions``, by ``section.option``.
    :param kms_key: the ARN of a key of yours; empty where AWS's own is used.
    :param log_groups: where installations are logged: of its schedulers, workers and web servers,
        as far as their logs are enabled.
    """

    name: str
    arn: str
    status: str
    airflow: str
    bucket: str
    role_arn: str
    dags: str
    files: Mapping[str, Used]
    options: Mapping[str, str] = field(repr=False)
    kms_key: str = ""
    update: Update | None = None
    log_groups: tuple[str, ...] = ()

    @property
    def region(self) -> str:
        """Where it is."""
        return self.arn.split(":")[3]

    @property
    def account_id(self) -> str:
        """Whose it is."""
        return self.arn.split(":")[4]

    @property
    def partition(self) -> str:
        """Of its ARN, such as ``aws``."""
        return self.arn.split(":")[1]


def read(client: Any, name: str) -> Environment:
    """Ask MWAA for an environment.

    :param client: a boto3 client of ``mwaa``.
    :raises MwaaError: there is none of this name in the client's account and region.
    """
    try:
        found = client.get_environment(Name=name)["Environment"]
    except Exception as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        pages = client.get_paginator("list_environments").paginate()
        there = ", ".join(one for page in pages for one in page["Environments"]) or "none"
        raise MwaaError(
            f"MWAA has no environment {name!r} in {client.meta.region_name}; there: {there}. "
            "Give another --environment or --region"
        ) from error
    key = found.get("KmsKey", "")
    return Environment(
        name=found["Name"],
        arn=found["Arn"],
        status=found["Status"],
        airflow=found.get("AirflowVersion", ""),
        bucket=found["SourceBucketArn"].rpartition(":")[2],
        role_arn=found["ExecutionRoleArn"],
        dags=found["DagS3Path"].strip("/"),
        files={
            file: Used(found.get(f"{one}S3Path") or "", found.get(f"{one}S3ObjectVersion") or "")
            for file, one in _FIELDS.items()
        },
        options=found.get("AirflowConfigurationOptions") or {},
        kms_key=key if key.startswith("arn:") else "",
        update=_update(found.get("LastUpdate")),
        log_groups=tuple(_log_groups(found.get("LoggingConfiguration") or {})),
    )


def _log_groups(found: Mapping[str, Any]) -> Iterator[str]:
    for name in ("SchedulerLogs", "WorkerLogs", "WebserverLogs"):
        one = found.get(name) or {}
        if one.get("Enabled") and one.get("CloudWatchLogGroupArn"):
            yield one["CloudWatchLogGroupArn"].split(":log-group:")[-1].removesuffix(":*")


def _update(found: Mapping[str, Any] | None) -> Update | None:
    if not found:
        return None
    error = found.get("Error") or {}
    reason = ": ".join(filter(None, [error.get("ErrorCode"), error.get("ErrorMessage")]))
    return Update(found.get("Status", ""), found.get("CreatedAt"), reason)


def request(name: str, files: Mapping[str, Used]) -> dict[str, str]:
    """Give the request of ``UpdateEnvironment`` that makes an environment use these files."""
    made = {"Name": name}
    for file, used in sorted(files.items()):
        made[f"{_FIELDS[file]}S3Path"] = used.key
        if used.version_id:
            made[f"{_FIELDS[file]}S3ObjectVersion"] = used.version_id
    return made


def wait(
    client: Any,
    before: Environment,
    *,
    timeout_seconds: float,
    poll_seconds: float = 30,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[str], None] = lambda _: None,
) -> Environment:
    """Wait until the update that followed ``before`` has ended well, and give the environment.

    :param client: a boto3 client of ``mwaa``.
    :param tell: hears each new state.
    :raises MwaaError: the update failed, with AWS's reason, or took too long.
    """
    deadline = time.monotonic() + timeout_seconds
    now = before
    while time.monotonic() < deadline:
        sleep(poll_seconds)
        status = now.status
        try:
            now = read(client, before.name)
        except Exception as error:
            if not is_transient(error):
                raise
            continue
        if now.status != status:
            tell(now.status)
        # For a moment an environment still shows the update before this one.
        if now.update and now.update != before.update and _ended(now, now.update):
            return now
    raise MwaaError(
        f"environment {now.name!r} is still {now.status} after {timeout_seconds / 60:.0f} minutes; "
        "its update goes on. Look again with airflow-ml mwaa doctor, or give a longer "
        "--timeout-minutes"
    )


def _ended(now: Environment, update: Update) -> bool:
    if update.status == "FAILED" or now.status in _LOST:
        reason = update.reason or "AWS gave no reason; see the environment's logs in CloudWatch"
        raise MwaaError(f"the update of {now.name!r} failed; it is {now.status}: {reason}")
    return now.status in RUNNING and update.status == "SUCCESS"
