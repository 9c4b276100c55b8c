"""Waiting for a number in a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.report_metric import metric_id
from airflow_ml_provider.sensors.watch import WatchSensor

if TYPE_CHECKING:
    from collections.abc import Sequence


class MetricSensor(WatchSensor):
    """Wait until a metric of a JSON report on S3 compares with a value.

    :param report: the S3 address of the report. (templated)
    :param metric: the keys to the number, such as ``["regression_metrics", "mae", "value"]``.
    :param op: ``<``, ``<=``, ``>``, ``>=``, ``==`` or ``!=``.
    :param value: what it is compared with. (templated)
    :param fail_when_false: fail once the report is there and says otherwise, instead of waiting for
        a new report.
    """

    watchable_name = "report_metric"
    template_fields = ("report", "value")

    def __init__(
        self,
        *,
        report: str,
        metric: Sequence[str],
        op: str,
        value: float | str,
        fail_when_false: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.report = report
        self.metric = list(metric)
        self.op = op
        self.value = value
        self.fail_when_false = fail_when_false

    def watched_id(self) -> str:
        """Give the report, the path and the comparison.

        :raises ValueError: no S3 address, an empty path, or an unknown operator.
        """
        return metric_id(
            self.report,
            self.metric,
            self.op,
            float(self.value),
            fail_when_false=self.fail_when_false,
        )
