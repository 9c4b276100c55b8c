from __future__ import annotations

import pytest

from airflow_ml_provider.jobs.pace import backoff_seconds, interval_seconds


def test_young_jobs_are_asked_often_and_old_ones_rarely():
    assert [interval_seconds(age) for age in (0, 49, 100)] == [5, 5, 10]
    assert interval_seconds(600) == interval_seconds(86_400) == pytest.approx(58.8)


def test_the_cap_holds_for_young_jobs_too():
    assert interval_seconds(0, poll_seconds=0.01) < 0.01
    assert 19 < interval_seconds(10_000, poll_seconds=20) < 20


def test_backoff_doubles_to_a_bound_and_spreads():
    assert [backoff_seconds(n, 1.0) for n in (1, 2, 3, 6)] == [2, 4, 8, 64]
    assert backoff_seconds(7, 1.0) == backoff_seconds(100_000, 1.0) == 120
    assert backoff_seconds(3, 0.0) == 4
