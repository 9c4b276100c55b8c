"""Code brought to S3 under the hash of its content, once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from airflow_ml_provider.jobs.s3_uri import split_s3_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.plan.code import Bundle

log = logging.getLogger(__name__)

_NOT_READABLE = {"403", "404"}


def stage(
    client: Any,
    code: Bundle,
    root: str,
    *,
    kms_key: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Bring the objects of a bundle below ``root`` where they are missing, and give its address."""
    root = root.rstrip("/")
    for name, body in code.objects.items():
        _put(client, f"{root}/{name}", body, kms_key=kms_key, tags=tags)
    return f"{root}/{code.address}"


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
