"""Local code brought to S3, and its address put into a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.operators.spell import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_ml_provider.pipeline.account import Account
    from airflow_ml_provider.pipeline.values import Code


def stage(
    s3: Any, codes: Mapping[str, Code], folder: Path, root: str, account: Account
) -> dict[str, str]:
    """Bring each code below ``<root>/code/`` and give the S3 address for each placeholder.

    :raises FileNotFoundError: for all files that are missing.
    """
    from airflow_ml_provider.aws.stage import (  # noqa: PLC0415 - imports boto3
        stage_folder,
        stage_script,
        stage_source,
    )

    files = {name: [folder / file for file in code.files] for name, code in codes.items()}
    paths = {path for paths in files.values() for path in paths}
    if missing := sorted(str(path) for path in paths if not path.exists()):
        message = f"code: {', '.join(missing)} do not exist; paths are relative to {folder}"
        raise FileNotFoundError(message)
    options: dict[str, Any] = {"kms_key": account.kms_key_id}
    uris = {}
    for name, code in codes.items():
        if code.form == "file":
            uris[name] = stage_script(s3, files[name][0], root, **options)
        elif code.form == "prefix":
            uris[name] = stage_folder(s3, files[name], root, **options)
        else:
            uris[name] = stage_source(s3, files[name], root, **options)
    return uris


def filled(value: Any, uris: Mapping[str, str], token: str) -> Any:
    """Copy a request with the staged addresses and the token in place of their placeholders."""
    if isinstance(value, str):
        if value == TOKEN:
            return token
        for name, uri in uris.items():
            value = value.replace(name, uri)
        return value
    if isinstance(value, dict):
        return {key: filled(item, uris, token) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(item, uris, token) for item in value]
    return value
