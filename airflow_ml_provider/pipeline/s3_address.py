"""S3 addresses that a definition gives."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"s3://([^/]+)(/.*)?")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"s3://[^/]+(/[A-Za-z0-9!_.*'()=-]+)*/?")


def address_problem(address: str, mend: str) -> str:
    """Name the rule for buckets that an S3 address breaks, or ``mend`` if it is none at all."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return mend
    if _BUCKET.fullmatch(match[1]):
        return ""
    return (
        f"its bucket {match[1]!r} must be 3 to 63 lower-case letters, digits, dots or hyphens, "
        "the first and the last one a letter or digit"
    )


def root_problem(root: str) -> str:
    """Say why nothing can lie below a root; empty if it can."""
    mend = "write s3://<bucket>/<prefix>"
    problem = address_problem(root, mend) or ("" if _PREFIX.fullmatch(root) else mend)
    return f"root: {root!r} is no S3 prefix; {problem}" if problem else ""
