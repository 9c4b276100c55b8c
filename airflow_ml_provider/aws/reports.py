"""Reports read back from S3; the reading itself needs no boto3 and so lies with the jobs."""

from __future__ import annotations

from airflow_ml_provider.jobs.errors import ReportError
from airflow_ml_provider.jobs.report import MAX_REPORT_BYTES, metric, read_report

__all__ = ["MAX_REPORT_BYTES", "ReportError", "metric", "read_report"]
