"""Reading the numbers that a step reported as JSON on S3.

SageMaker's model-quality report is the field's format:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import ReportError
from airflow_ml_provider.jobs.s3_uri import split_s3_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_REPORT_BYTES = 1_000_000
_NAMES_SHOWN = 20


def read_report(client: Any, uri: str, max_bytes: int = MAX_REPORT_BYTES) -> Any:
    """Read the JSON object at ``uri`` with an S3 client.

    :raises ReportError: it is bigger than ``max_bytes``, or no JSON.
    """
    bucket, key = split_s3_uri(uri)
    answer = client.get_object(Bucket=bucket, Key=key)
    body = answer["Body"].read(max_bytes + 1)
    if len(body) > max_bytes:
        raise ReportError(
            f"The report {uri} has more than {max_bytes:,} bytes; a report is a few numbers."
        )
    try:
        return json.loads(body)
    except ValueError as error:
        raise ReportError(f"The report {uri} is no JSON: {error}") from error


def metric(report: Any, path: Sequence[str]) -> float:
    """Give the number at ``path``, a sequence of keys, since a key may hold dots (``f1-score``).

    :raises ReportError: it is missing, or no finite number; says what is there instead.
    """
    here = report
    for depth, key in enumerate(path):
        if not isinstance(here, Mapping) or key not in here:
            where = f"under {_dotted(path[:depth])}" if depth else "at the top"
            raise ReportError(
                f"The report has no metric {_dotted(path)}: {where} there is {_shown(here)}."
            )
        here = here[key]
    if isinstance(here, bool) or not isinstance(here, (int, float)) or not math.isfinite(here):
        raise ReportError(
            f"The report's {_dotted(path)} is no finite number: there is {_shown(here)}."
        )
    return float(here)


def _dotted(path: Sequence[str]) -> str:
    return " > ".join(repr(key) for key in path)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        names = [repr(name) for name in value]
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        return f"{', '.join(names[:_NAMES_SHOWN])}{more}" if names else "nothing"
    text = json.dumps(value)
    return f"{text[:80]} ({type(value).__name__})"
