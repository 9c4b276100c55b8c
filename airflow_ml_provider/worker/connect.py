"""boto3 clients of the role that the job runs as."""

from __future__ import annotations

import os
from typing import Any


def connect(service: str, *, repeats: bool = True) -> Any:
    """Make a client; without ``repeats`` it makes each call once, as ``jobs.start`` needs it."""
    import boto3

    from airflow_ml_provider.aws.clients import config, once  # noqa: PLC0415 - imports botocore

    settings = config() if repeats else config().merge(once())
    return boto3.session.Session(region_name=_region()).client(service, config=settings)


def _region() -> str | None:
    # boto3 itself reads AWS_DEFAULT_REGION only. The job's ARN is set in every container:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
    arn = os.environ.get("PROCESSING_JOB_ARN", "").split(":")
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or (arn[3] if len(arn) > 3 else None)  # noqa: PLR2004 - arn:aws:service:region
