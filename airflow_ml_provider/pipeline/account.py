"""What every request of an AWS account repeats."""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Account:
    """Defaults that steps take where they say nothing themselves.

    In Airflow they come from the section ``[airflow_ml_provider]`` of its configuration.
    ``worker_image_uri`` is the image of the processing jobs that do what an orchestrator can't:
    Python 3.10 or later with boto3, and pyarrow for extracts.
    """

    role_arn: str | None = None
    root: str | None = None
    kms_key_id: str | None = None
    subnets: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    worker_image_uri: str | None = None


def configured(option: Callable[[str], str | None]) -> Account:
    """Give the account of a configuration; ``option`` gives the text of one of its options.

    Lists are separated by commas, ``tags`` are a JSON object.

    :raises ValueError: ``tags`` is not a JSON object.
    """
    text = option("tags") or "{}"
    try:
        tags = dict(json.loads(text))
    except (TypeError, ValueError) as error:
        message = f"[airflow_ml_provider] tags must be a JSON object, not {text!r}."
        raise ValueError(message) from error
    return Account(
        role_arn=option("role_arn") or None,
        root=option("root") or None,
        kms_key_id=option("kms_key_id") or None,
        worker_image_uri=option("worker_image_uri") or None,
        subnets=_listed(option("subnets")),
        security_group_ids=_listed(option("security_group_ids")),
        tags={str(key): str(value) for key, value in tags.items()},
    )


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
