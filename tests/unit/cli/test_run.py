from __future__ import annotations

import argparse
from datetime import date, datetime, timezone

import pytest

from airflow_ml_provider.cli.run import Wanted, wanted


def test_days_are_a_range():
    assert wanted("flights@2013-08-30..2013-09-01") == Wanted(
        "flights", (date(2013, 8, 30), date(2013, 8, 31), date(2013, 9, 1))
    )
    assert wanted("flights@2013-08-30").days == (date(2013, 8, 30),)
    assert wanted("my.dag-1").days == ()


def test_a_run_starts_when_its_day_is_over():
    assert wanted("flights@2013-08-31").logical_dates == [datetime(2013, 9, 1, tzinfo=timezone.utc)]
    (now,) = wanted("flights").logical_dates
    assert abs((datetime.now(timezone.utc) - now).total_seconds()) < 60


@pytest.mark.parametrize("text", ["flights@", "flights@2013-13-01", "a b", "f@2013-08-01..", "f@x"])
def test_bad_spelling(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be DAG_ID"):
        wanted(text)


def test_a_range_that_ends_before_it_starts():
    with pytest.raises(argparse.ArgumentTypeError, match="the last day comes before the first"):
        wanted("f@2013-08-02..2013-08-01")
