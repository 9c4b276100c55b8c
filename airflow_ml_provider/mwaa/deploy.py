"""A package brought to an environment: only what changed, each file as a version of its object.

First the files that MWAA installs, then the environment's update, at last the DAGs, so that no DAG
runs without what it needs.
https://docs.aws.amazon.com/mwaa/latest/userguide/configuring-dag-import.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, Any

from botocore import xform_name

from airflow_ml_provider.mwaa.environment import Used, request
from airflow_ml_provider.mwaa.stored import keys, same, stored, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from airflow_ml_provider.mwaa.environment import Environment
    from airflow_ml_provider.mwaa.packaged import PackageFolder

UPLOAD, KEEP, DELETE = "upload", "keep", "delete"
_DAGS = "dags"


@dataclass(frozen=True)
class Change:
    """What becomes of one object.

    :param name: what it is: one of ``FILES``, or a path in the DAGs folder.
    :param action: ``KEEP`` where the bucket has it already.
    :param version_id: of the object that is kept; empty before an upload.
    """

    name: str
    key: str
    file: Path | None
    checksum: str = ""
    action: str = UPLOAD
    version_id: str = ""


@dataclass(frozen=True)
class Deployment:
    """What deploying a package does.

    :param before: the environment as it was; ``None`` where there is none yet.
    :param left: DAG files in the bucket that the package has not, and that stay.
    """

    bucket: str
    before: Environment | None
    files: tuple[Change, ...]
    dags: tuple[Change, ...]
    left: tuple[str, ...] = ()


def planned(
    s3: Any,
    package: PackageFolder,
    bucket: str,
    environment: Environment | None = None,
    *,
    delete: bool = False,
) -> Deployment:
    """Compare a package with a bucket; changes nothing.

    :param s3: a boto3 client of ``s3``.
    :param delete: remove DAG files that the package has not.
    """
    used = environment.files if environment else {}
    prefix = f"{environment.dags if environment else _DAGS}/"
    there = {key.removeprefix(prefix) for key in keys(s3, bucket, prefix)}
    files, dags = [], []
    for name, file in package.files.items():
        key = (used[name].key if name in used else "") or name
        files.append(_compared(s3, bucket, Change(name, key, file, package.checksums[name])))
    for path, file in package.dags.items():
        one = Change(path, f"{prefix}{path}", file, package.checksums[f"{_DAGS}/{path}"])
        dags.append(_compared(s3, bucket, one) if path in there else one)
    left = sorted(there - package.dags.keys())
    if delete:
        dags += [Change(path, f"{prefix}{path}", None, action=DELETE) for path in left]
        left = []
    return Deployment(bucket, environment, tuple(files), tuple(dags), tuple(left))


def _compared(s3: Any, bucket: str, one: Change) -> Change:
    newest = stored(s3, bucket, one.key)
    if newest and one.file and same(s3, bucket, newest, one.file, one.checksum):
        return replace(one, action=KEEP, version_id=newest.version_id)
    return one


def stale(deployment: Deployment) -> dict[str, Used]:
    """Give the files of which the environment uses another version, or none; as it shall use them.

    The version of what is not yet uploaded is empty.
    """
    before = deployment.before.files if deployment.before else {}
    wanted = {one.name: Used(one.key, one.version_id) for one in deployment.files}
    return {
        name: used
        for name, used in wanted.items()
        if not used.version_id or used != before.get(name)
    }


def upload_files(
    s3: Any, deployment: Deployment, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Used]:
    """Upload the files that changed, and give those that the environment must be told of.

    :param s3: a boto3 client of ``s3``.
    """
    done = {}
    for one in deployment.files:
        if one.action == UPLOAD:
            done[one.name] = Used(one.key, _uploaded(s3, deployment.bucket, one, tell))
    return {name: done.get(name, used) for name, used in stale(deployment).items()}


def put_dags(s3: Any, deployment: Deployment, tell: Callable[[str], None] = lambda _: None) -> None:
    """Upload the DAG files that changed, then delete what was asked for.

    :param s3: a boto3 client of ``s3``.
    """
    for one in deployment.dags:
        if one.action == UPLOAD:
            _uploaded(s3, deployment.bucket, one, tell)
    for one in deployment.dags:
        if one.action == DELETE:
            s3.delete_object(Bucket=deployment.bucket, Key=one.key)
            tell(f"deleted s3://{deployment.bucket}/{one.key}")


def _uploaded(s3: Any, bucket: str, one: Change, tell: Callable[[str], None]) -> str:
    if one.file is None:
        raise ValueError(f"{one.name}: there is nothing to upload")
    version_id = upload(s3, bucket, one.key, one.file, one.checksum)
    tell(f"uploaded s3://{bucket}/{one.key} as version {version_id}")
    return version_id


def rollback(before: Environment, files: Mapping[str, Used]) -> str:
    """Give the command that brings back what the environment used before; empty if nothing.

    An update can't take a file from an environment that it did not use before.
    """
    former = {name: before.files[name] for name in files if before.files[name].key}
    if not former:
        return ""
    options = {xform_name(name, "-"): text for name, text in request(before.name, former).items()}
    asked = " ".join(f"--{option} {quote(text)}" for option, text in options.items())
    return f"aws mwaa update-environment --region {before.region} {asked}"
