"""The name under which a job is started, so that starting it again finds it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LENGTH = 63  # of a SageMaker job name; a kind with a tighter one uses `shortened`
MAX_NUMBER = 9999
_HASH_LENGTH = 16
_CALL_TOKEN_LENGTH = 36  # of SageMaker's ClientToken, the tightest
READABLE_LENGTH = MAX_LENGTH - _HASH_LENGTH - len(f"--{MAX_NUMBER}")


def token_prefix(readable: str, identity: Sequence[str]) -> str:
    """Join a readable part and a hash of what makes this piece of work unique.

    ``identity`` for an Airflow task: dag_id, run_id, ``dag_run.start_date``, task_id, map_index and
    ``ti.max_tries``; a retry changes none of them, a person's clear raises the last.
    With :func:`token` the result matches SageMaker's ``[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}``.
    """
    words = re.sub(r"[^a-zA-Z0-9]+", "-", readable)[:READABLE_LENGTH].strip("-")
    # JSON keeps the parts apart: ("ab", "c") and ("a", "bc") are two pieces of work.
    digest = hashlib.sha256(json.dumps([str(part) for part in identity]).encode()).hexdigest()
    return "-".join(filter(None, (words, digest[:_HASH_LENGTH])))


def token(prefix: str, number: int) -> str:
    """Name the ``number``-th job of a prefix, counted from 1."""
    return f"{prefix}-{number}"


def call_token(prefix: str) -> str:
    """Give the client token of a call that starts no job: 36 hexadecimal digits of a hash."""
    return hashlib.sha256(prefix.encode()).hexdigest()[:_CALL_TOKEN_LENGTH]


def shortened(token: str, limit: int) -> str:
    """Cut the readable part of a token where a service takes fewer characters (at least 23)."""
    if len(token) <= limit:
        return token
    words, digest, number = token.rsplit("-", 2)
    room = limit - len(f"-{digest}-{number}")
    return "-".join(filter(None, (words[:room].rstrip("-"), digest, number)))
