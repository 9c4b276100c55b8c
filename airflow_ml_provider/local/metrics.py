"""Training metrics out of the log, by the regular expressions of the job's MetricDefinitions.

https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_ml_provider.local.store import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_ml_provider.local.protocol import Json


class MetricScraper:
    """Reads log lines and keeps the last value of each metric.

    Args:
        definitions: the job's ``MetricDefinitions``: a name and a regular expression whose first
            group is the value. A Regex that Python can't read yields no metric.

    """

    def __init__(self, definitions: Iterable[Mapping[str, str]]) -> None:
        self._patterns = [(item["Name"], _compile(item["Regex"])) for item in definitions]
        self._last: dict[str, Json] = {}

    def read(self, line: str) -> None:
        """Take one line of the log."""
        for name, pattern in self._patterns:
            for match in pattern.finditer(line) if pattern else ():
                try:
                    value = float(match[1])
                except (ValueError, IndexError, TypeError):
                    continue
                self._last[name] = {"MetricName": name, "Value": value, "Timestamp": now()}

    def final(self) -> Json:
        """Return what Describe tells of the metrics: nothing if there are none."""
        return {"FinalMetricDataList": list(self._last.values())} if self._last else {}


def _compile(regex: str) -> re.Pattern[str] | None:
    try:
        return re.compile(regex)
    except re.error:
        return None
