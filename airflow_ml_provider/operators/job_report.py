"""The report that a job left on S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import AirflowFailException
from airflow_ml_provider.jobs.errors import ReportError, is_not_found
from airflow_ml_provider.jobs.patience import insist

if TYPE_CHECKING:
    from airflow_ml_provider.triggers.connection import AwsConnection


def report_left(aws: AwsConnection, uri: str, deadline: float) -> Any:
    """Read the JSON report of a job that succeeded; trouble is waited out until ``deadline``.

    :raises AirflowFailException: there is none, or it is no report. A retry would adopt the same
        job and find the same.
    """
    from airflow_ml_provider.aws.reports import read_report  # noqa: PLC0415

    try:
        return insist(lambda: read_report(aws.client("s3"), uri), f"Reading {uri}", deadline)
    except ReportError as error:
        raise AirflowFailException(str(error)) from error
    except Exception as error:
        if not is_not_found(error):
            raise
        message = f"The job succeeded but left no report at {uri}."
        raise AirflowFailException(message) from error
