"""What jobs read from S3 and leave there, as the SageMaker agent does it."""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from boto3.s3.transfer import TransferConfig  # noqa: TID253 - only the server gets here
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRANSFER = TransferConfig(use_threads=False)


class DataError(Exception):
    """Data of a job that isn't there, or that can't be read or written."""


def split_uri(uri: str) -> tuple[str, str]:
    """Return (bucket, key) of an ``s3://`` URI.

    Raises:
        DataError: for any other URI.

    """
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme not in ("s3", "s3a", "s3n") or not parts.netloc:
        raise DataError(f"{uri!r} is not an S3 URI: it must look like s3://bucket/key")
    return parts.netloc, parts.path.lstrip("/")


def join_uri(*parts: str) -> str:
    """Join S3 URI parts by single slashes."""
    return "/".join(part.strip("/") if n else part.rstrip("/") for n, part in enumerate(parts))


def local_name(prefix: str, key: str) -> str:
    """Return where an object found under an S3 prefix lies below the job's folder.

    SageMaker strips the prefix where it ends at a slash, else up to its last slash.
    """
    rest = key[len(prefix) :]
    if rest and (prefix.endswith("/") or rest.startswith("/") or not prefix):
        return rest.lstrip("/")
    return key[prefix.rfind("/") + 1 :]


def download_prefix(client: Any, uri: str, folder: Path, *, required: bool = True) -> None:
    """Copy every object whose key begins with that of `uri` into `folder`.

    Raises:
        DataError: if there is none though `required`, or the bucket is missing.

    """
    bucket, prefix = split_uri(uri)
    keys = [key for key in _keys(client, bucket, prefix) if not key.endswith("/")]
    if required and not keys:
        raise DataError(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure '
            "that the bucket exists in the selected region and that objects exist under that prefix"
        )
    for key in keys:
        _download(client, bucket, key, folder, local_name(prefix, key))


def download_manifest(client: Any, uri: str, folder: Path) -> None:
    """Copy the objects that a manifest file names into `folder`.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html

    Raises:
        DataError: if the manifest or an object is missing or the manifest isn't one.

    """
    for bucket, key, name in manifest_entries(read_text(client, uri), uri):
        _download(client, bucket, key, folder, name)


def manifest_entries(text: str, uri: str) -> list[tuple[str, str, str]]:
    """Return (bucket, key, name below the job's folder) for each object of a manifest.

    Raises:
        DataError: if the text isn't ``[{"prefix": "s3://..."}, "object", ...]``.

    """
    expected = (
        f'{uri}: a manifest is a JSON list [{{"prefix": "s3://bucket/folder/"}}, "object", ...]'
    )
    try:
        head, *names = json.loads(text)
        bucket, prefix = split_uri(head["prefix"])
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(expected) from error
    if not all(isinstance(name, str) for name in names):
        raise DataError(expected)
    return [(bucket, prefix + name, name.lstrip("/")) for name in names]


def read_text(client: Any, uri: str) -> str:
    """Return an object's text.

    Raises:
        DataError: if there is no such object.

    """
    bucket, key = split_uri(uri)
    try:
        return str(client.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    except ClientError as error:
        raise _data_error(error, bucket, key) from error


def download_file(client: Any, uri: str, folder: Path) -> Path:
    """Copy one object into `folder` under the last part of its key, and return its path.

    Raises:
        DataError: if there is no such object.

    """
    bucket, key = split_uri(uri)
    return _download(client, bucket, key, folder, key.rsplit("/", 1)[-1])


def upload_folder(client: Any, folder: Path, uri: str) -> None:
    """Copy every file below `folder` to keys below `uri`.

    Raises:
        DataError: if the bucket is missing.

    """
    bucket, prefix = split_uri(uri)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        _upload(client, path, bucket, f"{prefix.rstrip('/')}/{name}".lstrip("/"))


def upload_tar(client: Any, folder: Path, uri: str) -> None:
    """Pack what lies in `folder` and store it as the object `uri`.

    Raises:
        DataError: if the bucket is missing.

    """
    bucket, key = split_uri(uri)
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as packed:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=3) as tar:
            for path in sorted(folder.iterdir()):
                tar.add(path, path.name)
        packed.flush()
        _upload(client, Path(packed.name), bucket, key)


def put_bytes(client: Any, data: bytes, uri: str) -> None:
    """Store `data` as the object `uri`.

    Raises:
        DataError: if the bucket is missing.

    """
    bucket, key = split_uri(uri)
    try:
        client.put_object(Bucket=bucket, Key=key, Body=data)
    except ClientError as error:
        raise _data_error(error, bucket, key) from error


def extract_tar(archive: Path, folder: Path) -> None:
    """Unpack an archive, refusing entries that would land outside `folder`.

    Raises:
        DataError: if it isn't a tar archive or isn't safe.

    """
    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(folder, filter="data")
            else:  # Python 3.11.3 and older, such as Debian 12's
                tar.extractall(folder, _plain_members(tar))  # noqa: S202 - only plain ones
    except tarfile.TarError as error:
        raise DataError(f"{archive.name}: {error}") from error


def _plain_members(tar: tarfile.TarFile) -> list[tarfile.TarInfo]:
    for member in tar:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
            raise DataError(f"{member.name}: not a plain file or folder inside the archive")
    return tar.getmembers()


def _keys(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    try:
        for found in pages:
            yield from (item["Key"] for item in found.get("Contents", ()))
    except ClientError as error:
        raise _data_error(error, bucket, prefix) from error


def _download(client: Any, bucket: str, key: str, folder: Path, name: str) -> Path:
    target = folder / name
    if not target.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"s3://{bucket}/{key}: its name leads outside the job's folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, key, str(target), Config=_TRANSFER)
    except (ClientError, OSError) as error:
        raise _data_error(error, bucket, key) from error
    return target


def _upload(client: Any, path: Path, bucket: str, key: str) -> None:
    try:
        with path.open("rb") as file:
            client.upload_fileobj(file, bucket, key, Config=_TRANSFER)
    except (ClientError, OSError) as error:
        raise _data_error(error, bucket, key) from error


def _data_error(error: ClientError | OSError, bucket: str, key: str) -> DataError:
    if isinstance(error, ClientError):
        details = error.response["Error"]
        return DataError(f"s3://{bucket}/{key}: {details.get('Code')}: {details.get('Message')}")
    return DataError(f"s3://{bucket}/{key}: {error}")
