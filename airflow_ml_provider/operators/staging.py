"""Local code brought to S3, and its address put into a request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import AirflowFailException, account
from airflow_ml_provider.jobs.patience import insist
from airflow_ml_provider.targets.airflow_values import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_ml_provider.pipeline.account import Account
    from airflow_ml_provider.pipeline.values import Code


def stage(
    s3: Any, codes: Mapping[str, Code], folder: Path, root: str, account: Account
) -> dict[str, str]:
    """Bring each code below ``<root>/code/`` and give the S3 address for each placeholder.

    :raises FileNotFoundError: for all files of a code that are missing.
    """
    from airflow_ml_provider.aws import stage as aws_stage  # noqa: PLC0415 - imports boto3
    from airflow_ml_provider.plan.code import bundle  # noqa: PLC0415 - a worker's business

    bundles = {name: bundle(code, folder) for name, code in codes.items()}
    return {
        name: aws_stage.stage(s3, found, root, kms_key=account.kms_key_id)
        for name, found in bundles.items()
    }


def staged(task: Any, connect: Callable[[], Any], deadline: float) -> dict[str, str]:
    """Stage the ``code`` of a task; trouble is waited out until ``deadline``.

    ``connect`` gives the S3 client. ``code_folder`` defaults to that of the DAG's file,
    ``code_root`` to the ``root`` of the section ``[airflow_ml_provider]``.

    :raises AirflowFailException: nobody gave a root.
    """
    if not task.code:
        return {}
    defaults = account()
    root = task.code_root or defaults.root
    if not root:
        message = "code_root: missing; give code_root= or configure `root`"
        raise AirflowFailException(message)
    folder = Path(task.code_folder or task.dag.folder)
    return insist(
        lambda: stage(connect(), task.code, folder, root, defaults), "Staging code", deadline
    )


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
