"""boto3 clients where no Airflow connection gives one: the command line and tests."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from botocore.exceptions import NoRegionError

from airflow_ml_provider import __version__

MAX_ATTEMPTS = 5


class UnknownRegionError(NoRegionError):  # type: ignore[misc] # botocore has no types
    """botocore's error, with its mend."""

    fmt = "no AWS region is configured; give --region, or set the variable AWS_DEFAULT_REGION"


def config() -> Config:
    """Give the settings of every client: bounded waits, AWS's standard retries, our name.

    https://docs.aws.amazon.com/boto3/latest/guide/retries.html
    """
    return Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
        user_agent_extra=f"airflow-ml-provider/{__version__}",
    )


def once() -> Config:
    """Give the settings of a client that makes each call once, to be merged over :func:`config`."""
    return Config(retries={"mode": "standard", "total_max_attempts": 1})


def patient(read_timeout_seconds: float) -> Config:
    """Give the settings of a client that waits longer for an answer, to be merged over the rest."""
    return Config(read_timeout=read_timeout_seconds, tcp_keepalive=True)


def client(service: str, region: str | None = None, *, endpoint_url: str | None = None) -> Any:
    """Make a client from the environment's credentials, in a session of its own.

    The shared default session of boto3 must not be used from several threads at once:
    https://docs.aws.amazon.com/boto3/latest/guide/session.html

    :raises UnknownRegionError: neither this call nor the environment names a region.
    """
    import boto3

    session = boto3.session.Session(region_name=region)
    try:
        return session.client(service, endpoint_url=endpoint_url, config=config())
    except NoRegionError as error:
        raise UnknownRegionError from error
