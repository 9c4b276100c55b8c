"""Links from a task to its job in the AWS console.

The whole address is kept as an XCom as soon as the job is there, so the link works while the task
is deferred: Airflow 3 shows the XCom itself, Airflow 2 asks :meth:`get_link`, which reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_ml_provider._compat import BaseOperatorLink, xcom_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_ml_provider.jobs.state import LogStreams

# https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
_DOMAINS = {
    "aws": "aws.amazon.com",
    "aws-cn": "amazonaws.cn",
    "aws-us-gov": "amazonaws-us-gov.com",
}


def console_url(client: Any, path: str) -> str | None:
    """Give the address of a console page in the client's region; ``None`` if AWS has none there."""
    domain = _DOMAINS.get(client.meta.partition)
    region = client.meta.region_name
    if domain is None or not region:
        return None
    page, mark, fragment = path.partition("#")
    return f"https://{region}.console.{domain}/{page}?region={region}{mark}{fragment}"


def log_url(client: Any, streams: Sequence[LogStreams]) -> str | None:
    """Give the address of the CloudWatch log's first group; ``None`` if there is none."""
    if not streams:
        return None
    group, prefix = _fragment(streams[0].group), _fragment(streams[0].prefix)
    path = f"cloudwatch/home#logsV2:log-groups/log-group/{group}"
    return console_url(client, f"{path}$3FlogStreamNameFilter$3D{prefix}")


def _fragment(text: str) -> str:
    # CloudWatch's page escapes names twice and writes $ for %.
    return quote(quote(text, safe=""), safe="").replace("%", "$")


class _StoredLink(BaseOperatorLink):
    name = ""
    xcom_key = ""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Give the address that the task has stored; empty before it has."""
        return xcom_value(self.xcom_key, ti_key) or ""


class JobLink(_StoredLink):
    """The page of the job that a task started or found."""

    name = "AWS job"
    xcom_key = "aws_job_link"


class LogLink(_StoredLink):
    """The job's log in CloudWatch."""

    name = "AWS log"
    xcom_key = "aws_log_link"
