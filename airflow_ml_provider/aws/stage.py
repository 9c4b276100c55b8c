"""Code brought to S3 under the hash of its content: the same code is the same address."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from airflow_ml_provider.jobs.s3_uri import split_s3_uri

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

log = logging.getLogger(__name__)

_HASH_LENGTH = 16
_NOT_READABLE = {"403", "404"}


def stage_script(
    client: Any,
    path: Path,
    root: str,
    *,
    kms_key: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Bring one file to ``<root>/code/<hash>/<name>`` and give that address.

    :raises FileNotFoundError: there is no such file.
    """
    body = Path(path).read_bytes()
    uri = f"{_folder(root, body)}{Path(path).name}"
    _put(client, uri, body, kms_key=kms_key, tags=tags)
    return uri


def stage_folder(
    client: Any,
    files: Sequence[Path],
    root: str,
    *,
    kms_key: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Bring files and folders below ``<root>/code/<hash>/`` and give that address.

    :raises ValueError: two of ``files`` have the same name.
    :raises FileNotFoundError: one of them is not there.
    """
    folder = _folder(root, _tar(files))
    for name, path in _members(files):
        _put(client, f"{folder}{name}", path.read_bytes(), kms_key=kms_key, tags=tags)
    return folder


def stage_source(
    client: Any,
    files: Sequence[Path],
    root: str,
    *,
    name: str = "source.tar.gz",
    kms_key: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Pack files and folders, each at the archive's top, and give the archive's address.

    The archive holds no times, owners or ``__pycache__``, so the same files make the same archive.

    :raises ValueError: two of ``files`` have the same name.
    :raises FileNotFoundError: one of them is not there.
    """
    archive = _tar(files)
    # The hash of the tar, not of the gzip: compressors differ between Python builds.
    uri = f"{_folder(root, archive)}{name}"
    _put(client, uri, gzip.compress(archive, mtime=0), kms_key=kms_key, tags=tags)
    return uri


def _tar(files: Sequence[Path]) -> bytes:
    members = dict(sorted(_members(files)))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, path in members.items():
            content = path.read_bytes()
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _members(files: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    names = [Path(path).name for path in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Two files would get the same name: {', '.join(twice)}.")
    for path in map(Path, files):
        if not path.is_dir():
            yield path.name, path
            continue
        for inner in path.rglob("*"):
            if inner.is_file() and "__pycache__" not in inner.parts:
                yield inner.relative_to(path.parent).as_posix(), inner


def _folder(root: str, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
    return f"{root.rstrip('/')}/code/{digest}/"


def _put(
    client: Any, uri: str, body: bytes, *, kms_key: str | None, tags: Mapping[str, str] | None
) -> None:
    bucket, key = split_s3_uri(uri)
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        # 403 is what a role without s3:ListBucket gets for a missing object.
        if error.response["Error"]["Code"] not in _NOT_READABLE:
            raise
    else:
        return
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
    tagging = {"Tagging": urlencode(tags)} if tags else {}
    client.put_object(Bucket=bucket, Key=key, Body=body, **encryption, **tagging)
    log.info("Staged %s (%d bytes).", uri, len(body))
