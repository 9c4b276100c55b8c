"""Files as they lie in a bucket, and whether they are those of this machine.

Compared by the SHA-256 that S3 keeps beside what was uploaded with one; what was uploaded
otherwise is read.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import is_not_found

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Stored:
    """A version of an object; ``size`` in bytes, ``checksum`` empty where S3 keeps no SHA-256."""

    key: str
    version_id: str
    size: int
    checksum: str


def sha256(file: Path) -> str:
    """Give a file's SHA-256, in hexadecimal."""
    with file.open("rb") as stream:
        return _digest(stream)


def stored(s3: Any, bucket: str, key: str, version_id: str = "") -> Stored | None:
    """Look at an object, by default at its newest version; ``None`` if it is not there."""
    wanted = {"Bucket": bucket, "Key": key, **({"VersionId": version_id} if version_id else {})}
    try:
        found = s3.head_object(**wanted, ChecksumMode="ENABLED")
    except Exception as error:
        # 400 is what a text gets that is no version of any object.
        if is_not_found(error) or (version_id and _status(error) == 400):  # noqa: PLR2004
            return None
        raise
    return Stored(key, found.get("VersionId", ""), found["ContentLength"], _kept(found))


def same(s3: Any, bucket: str, one: Stored, file: Path, checksum: str) -> bool:
    """Tell whether an object's content is that of a file, whose SHA-256 is ``checksum``."""
    if one.size != file.stat().st_size:
        return False
    if one.checksum:
        return one.checksum == checksum
    version = {"VersionId": one.version_id} if one.version_id else {}
    body = s3.get_object(Bucket=bucket, Key=one.key, **version)["Body"]
    return _digest(body) == checksum


def upload(s3: Any, bucket: str, key: str, file: Path, checksum: str) -> str:
    """Upload a file in one request, which S3 holds against its SHA-256; give the new version."""
    kept = base64.b64encode(bytes.fromhex(checksum)).decode()
    with file.open("rb") as body:
        put = s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=body,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=kept,
        )
    return str(put.get("VersionId", ""))


def keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    """Give the keys of all objects below a prefix, without the folders that consoles make."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for one in page.get("Contents", ()):
            if not one["Key"].endswith("/"):
                yield one["Key"]


def _kept(found: Any) -> str:
    kept = found.get("ChecksumSHA256", "")
    # That of an upload in parts is one of the parts' checksums: <checksum>-<number of parts>.
    return "" if "-" in kept else base64.b64decode(kept).hex()


def _status(error: Exception) -> int:
    response = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _digest(stream: Any) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
