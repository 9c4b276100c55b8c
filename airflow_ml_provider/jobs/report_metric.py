"""Waiting until a number in a report on S3 is as it should be."""

from __future__ import annotations

import json
import operator
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import ReportError, is_not_found
from airflow_ml_provider.jobs.one_by_one import OneByOne
from airflow_ml_provider.jobs.report import metric, read_report
from airflow_ml_provider.jobs.s3_uri import split_s3_uri
from airflow_ml_provider.jobs.state import JobState, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def metric_id(
    uri: str, path: Sequence[str], op: str, value: float, *, fail_when_false: bool = False
) -> str:
    """Give the id to wait for: the report's number at ``path`` compares true with ``value``.

    :raises ValueError: no S3 address, an empty path, or an operator that is not in ``OPERATORS``.
    """
    split_s3_uri(uri)
    if op not in OPERATORS or not path or isinstance(path, str):
        raise ValueError(
            f"op {op!r} and path {path!r}: op is one of {' '.join(OPERATORS)}, "
            "path a list of keys such as ['metrics', 'auc']."
        )
    sought = {
        "uri": uri,
        "path": list(path),
        "op": op,
        "value": float(value),
        "fail_when_false": fail_when_false,
    }
    return json.dumps(sought, sort_keys=True, separators=(",", ":"))


class ReportMetric(OneByOne):
    """A job id is what :func:`metric_id` gives."""

    name = "report_metric"
    service = "s3"
    # Without s3:ListBucket, S3 answers 403 for a report that is not there yet.
    actions = frozenset({"s3:GetObject", "s3:ListBucket"})

    def state(self, client: Any, job_id: str) -> JobState:
        """Read the report: none yet is running, one without the number is a failure."""
        sought = json.loads(job_id)
        uri: str = sought["uri"]
        try:
            number = metric(read_report(client, uri), sought["path"])
        except ReportError as error:
            return JobState(job_id, Phase.FAILED, "BadReport", reason=f"{uri}: {error}")
        except Exception as error:
            if not is_not_found(error):
                raise
            return JobState(job_id, Phase.RUNNING, "NoReport")
        said = f"{sought['path']} is {number:g}, wanted {sought['op']} {sought['value']:g}"
        if OPERATORS[sought["op"]](number, sought["value"]):
            return JobState(job_id, Phase.SUCCEEDED, "True", result={"uri": uri, "value": number})
        if sought["fail_when_false"]:
            return JobState(job_id, Phase.FAILED, "False", reason=said, result={"value": number})
        return JobState(job_id, Phase.RUNNING, "False", reason=said)


REPORT_METRIC = ReportMetric()
