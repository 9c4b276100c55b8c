"""Airflow's schedules as those of EventBridge Scheduler."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.targets.schedule import Schedule, parse_schedule

HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("@hourly", Schedule("cron(0 * * * ? *)", HOUR)),
        ("@daily", Schedule("cron(0 0 * * ? *)", DAY)),
        ("@midnight", Schedule("cron(0 0 * * ? *)", DAY)),
        ("@weekly", Schedule("cron(0 0 ? * SUN *)", 7 * DAY)),
        ("@monthly", Schedule("cron(0 0 1 * ? *)", months=1)),
        ("@quarterly", Schedule("cron(0 0 1 1/3 ? *)", months=3)),
        ("@yearly", Schedule("cron(0 0 1 1 ? *)", months=12)),
        ("* * * * *", Schedule("cron(* * * * ? *)", 60)),
        ("*/15 * * * *", Schedule("cron(0/15 * * * ? *)", 15 * 60)),
        ("5 * * * *", Schedule("cron(5 * * * ? *)", HOUR)),
        ("05 */6 * * *", Schedule("cron(5 0/6 * * ? *)", 6 * HOUR)),
        ("30 4 * * *", Schedule("cron(30 4 * * ? *)", DAY)),
        ("30 4 * * 1", Schedule("cron(30 4 ? * MON *)", 7 * DAY)),
        ("30 4 * * 7", Schedule("cron(30 4 ? * SUN *)", 7 * DAY)),
        ("30 4 * * fri", Schedule("cron(30 4 ? * FRI *)", 7 * DAY)),
        ("0 4 28 * *", Schedule("cron(0 4 28 * ? *)", months=1)),
        ("0 4 1 */2 *", Schedule("cron(0 4 1 1/2 ? *)", months=2)),
        ("0 4 3 12 *", Schedule("cron(0 4 3 12 ? *)", months=12)),
        (timedelta(minutes=1), Schedule("cron(* * * * ? *)", 60)),
        (timedelta(minutes=20), Schedule("cron(0/20 * * * ? *)", 20 * 60)),
        (timedelta(minutes=7), Schedule("rate(7 minutes)", 7 * 60)),
        (timedelta(minutes=90), Schedule("rate(90 minutes)", 90 * 60)),
        (timedelta(hours=1), Schedule("cron(0 * * * ? *)", HOUR)),
        (timedelta(hours=8), Schedule("cron(0 0/8 * * ? *)", 8 * HOUR)),
        (timedelta(hours=5), Schedule("rate(5 hours)", 5 * HOUR)),
        (timedelta(hours=36), Schedule("rate(36 hours)", 36 * HOUR)),
        (timedelta(days=1), Schedule("cron(0 0 * * ? *)", DAY)),
        (timedelta(days=3), Schedule("rate(3 days)", 3 * DAY)),
        (timedelta(weeks=1), Schedule("rate(7 days)", 7 * DAY)),
    ],
)
def test_a_schedule_with_one_period(given: Any, expected: Schedule) -> None:
    assert parse_schedule(given, "p") == expected


@pytest.mark.parametrize("given", [None, "@once"])
def test_no_schedule(given: Any) -> None:
    assert parse_schedule(given, "p") is None


@pytest.mark.parametrize(
    "given",
    [
        "@continuous",
        "*/7 * * * *",
        "*/0 * * * *",
        "0 */5 * * *",
        "0,30 * * * *",
        "0 9-17 * * *",
        "60 * * * *",
        "0 24 * * *",
        "0 0 29 * *",
        "0 0 */2 * *",
        "0 0 1 */5 *",
        "0 0 1 13 *",
        "0 0 1 * 1",
        "0 0 * * 1-5",
        "0 0 * * 8",
        "0 0 * * MONDAY",
        "0 0 * *",
        "0 0 * * * *",
        timedelta(seconds=30),
        timedelta(seconds=90),
        timedelta(minutes=1, microseconds=1),
        timedelta(days=-1),
        object(),
    ],
)
def test_others_are_refused_with_a_way_out(given: Any) -> None:
    with pytest.raises(PipelineError, match=r"'p'.*\n.*schedule: .*give a preset such as '@daily'"):
        parse_schedule(given, "p")
