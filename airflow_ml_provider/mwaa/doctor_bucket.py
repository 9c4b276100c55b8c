"""Is the bucket as MWAA wants it, and does the environment use what lies there?

https://docs.aws.amazon.com/mwaa/latest/userguide/mwaa-s3-bucket.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import error_code, is_not_found
from airflow_ml_provider.mwaa.finding import BUCKET, ERROR, FILES, GOOD, WARNING, Finding
from airflow_ml_provider.mwaa.stored import keys, same, sha256, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from airflow_ml_provider.mwaa.environment import Environment, Used

_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_BLOCK_ALL = ",".join(f"{name}=true" for name in _BLOCKS)


def bucket_findings(s3: Any, bucket: str, region: str) -> Iterator[Finding]:
    """Say whether a bucket is there, in the region, versioned and private.

    :param s3: a boto3 client of ``s3``.
    :param region: the environment's.
    """
    try:
        headers = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    except Exception as error:
        if not is_not_found(error):
            raise
        yield Finding(
            BUCKET,
            ERROR,
            f"there is no bucket {bucket!r}",
            "make it with mwaa/cloudformation/storage.yaml, or give the right --bucket",
        )
        return
    found = [*_elsewhere(bucket, headers.get("x-amz-bucket-region") or region, region)]
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        found.append(
            Finding(
                BUCKET,
                ERROR,
                f"{bucket!r} keeps no versions; MWAA takes plugins.zip, requirements.txt and "
                "startup.sh by their versions",
                f"aws s3api put-bucket-versioning --bucket {bucket} "
                "--versioning-configuration Status=Enabled",
            )
        )
    if lacking := _unblocked(s3, bucket):
        found.append(
            Finding(
                BUCKET,
                ERROR,
                f"{bucket!r} may be opened to the public: {', '.join(lacking)} not set; MWAA wants "
                "all public access blocked",
                f"aws s3api put-public-access-block --bucket {bucket} "
                f"--public-access-block-configuration {_BLOCK_ALL}",
            )
        )
    yield from found or [Finding(BUCKET, GOOD, f"{bucket!r} is versioned and private")]


def _elsewhere(bucket: str, there: str, region: str) -> Iterator[Finding]:
    if there != region:
        yield Finding(
            BUCKET,
            ERROR,
            f"{bucket!r} lies in {there}, the environment in {region}; MWAA wants one region",
            "take a bucket of the environment's region",
        )


def _unblocked(s3: Any, bucket: str) -> list[str]:
    try:
        blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    except Exception as error:
        if error_code(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        blocked = {}
    return [name for name in _BLOCKS if not blocked.get(name)]


def file_findings(
    s3: Any, environment: Environment, local: Mapping[str, Path]
) -> Iterator[Finding]:
    """Say whether the versions that an environment uses are there, the newest, and those here.

    :param s3: a boto3 client of ``s3``.
    :param local: files of this machine by their name in ``environment.files``.
    """
    for name, used in environment.files.items():
        if used.key:
            yield _file_finding(s3, environment, name, used, local.get(name))
        elif name in local:
            said = f"{environment.name!r} uses no {name}, but one was given here"
            yield Finding(FILES, WARNING, said, _deploy(environment))
    if next(keys(s3, environment.bucket, f"{environment.dags}/"), None) is None:
        yield Finding(
            FILES,
            WARNING,
            f"there are no DAGs below s3://{environment.bucket}/{environment.dags}/",
            _deploy(environment),
        )


def _deploy(environment: Environment) -> str:
    return f"airflow-ml mwaa deploy --environment {environment.name} --package <folder>"


def _file_finding(
    s3: Any, environment: Environment, name: str, used: Used, file: Path | None
) -> Finding:
    bucket = environment.bucket
    address = f"s3://{bucket}/{used.key}"
    deploy = _deploy(environment)
    one = stored(s3, bucket, used.key, used.version_id)
    if one is None:
        version = f" in version {used.version_id}" if used.version_id else ""
        said = f"{address} is not there{version}, which {environment.name!r} uses"
        return Finding(FILES, ERROR, said, deploy)
    newest = stored(s3, bucket, used.key)
    if newest is None:
        said = f"{address} was deleted; {environment.name!r} still uses version {used.version_id}"
        return Finding(FILES, WARNING, said, deploy)
    if newest.version_id != one.version_id:
        said = (
            f"{address}: {environment.name!r} uses version {one.version_id}; the newest is "
            f"{newest.version_id}, which has no effect until the environment is updated"
        )
        return Finding(FILES, WARNING, said, deploy)
    if file and not same(s3, bucket, one, file, sha256(file)):
        said = f"{address}: {environment.name!r} uses another {name} than {file}"
        return Finding(FILES, WARNING, said, deploy)
    return Finding(FILES, GOOD, f"{environment.name!r} uses the newest version of {address}")
