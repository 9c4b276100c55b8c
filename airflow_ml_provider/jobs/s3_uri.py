"""Addresses of objects in S3."""

from __future__ import annotations

_SCHEMES = ("s3://", "s3a://", "s3n://")


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/some/key`` into bucket and key; the key may be empty.

    :raises ValueError: it is no S3 URI, or has no bucket.
    """
    for scheme in _SCHEMES:
        if uri.startswith(scheme):
            bucket, _, key = uri[len(scheme) :].partition("/")
            if bucket:
                return bucket, key
    raise ValueError(f"{uri!r} is no S3 address; expected s3://<bucket>/<key>.")
