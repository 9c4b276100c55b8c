"""What every request of an AWS account repeats."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


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
