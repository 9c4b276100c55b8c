"""Metrics out of log lines."""

from __future__ import annotations

from airflow_ml_provider.local.metrics import MetricScraper


def test_the_last_value_of_each_metric() -> None:
    scraper = MetricScraper(
        [
            {"Name": "train:loss", "Regex": r"train-loss=([\d.e-]+)"},
            {"Name": "auc", "Regex": r"auc: (\S+)"},
            {"Name": "never", "Regex": "never=(.*)"},
            {"Name": "no group", "Regex": "auc"},
            {"Name": "broken", "Regex": "("},
        ]
    )
    for line in ("train-loss=0.5 auc: nope", "train-loss=1e-2 train-loss=0.25", "auc: 0.75"):
        scraper.read(line)
    found = scraper.final()["FinalMetricDataList"]
    assert {item["MetricName"]: item["Value"] for item in found} == {
        "train:loss": 0.25,
        "auc": 0.75,
    }


def test_no_metrics_say_nothing() -> None:
    assert MetricScraper([]).final() == {}
