from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from airflow_ml_provider.operators.run_values import (
    interval_end,
    interval_start,
    run_date,
    run_key,
)

START = datetime(2026, 3, 1, 22, 30, tzinfo=timezone(timedelta(hours=-5)))


def run(start=START, run_id="manual__2026-03-01T22:30:00+00:00"):
    return SimpleNamespace(
        run_id=run_id,
        data_interval_start=start,
        data_interval_end=start and start + timedelta(days=1),
        start_date=datetime(2026, 5, 5, 1, 2, 3),  # noqa: DTZ001 - as a database may give it
        run_after=None,
    )


def test_the_interval_names_the_run_in_utc():
    assert run_key(run()) == "20260302T033000"
    assert run_date(run()) == "2026-03-02"
    assert interval_start(run()) == "2026-03-02T03:30:00+00:00"
    assert interval_end(run()) == "2026-03-03T03:30:00+00:00"


@pytest.mark.parametrize(("made", "keyed_by"), [(run(None), "interval"), (run(), "execution")])
def test_without_an_interval_the_run_id_names_it(made, keyed_by):
    key = run_key(made, keyed_by)
    assert key.startswith("manual__2026-03-01T22-30-00-00-00-")
    assert len(key.rpartition("-")[2]) == 8


def test_two_run_ids_that_look_the_same_stay_apart():
    assert run_key(run(None, "a b")) != run_key(run(None, "a/b"))


def test_without_an_interval_the_run_itself_dates_it():
    assert run_date(run(None)) == "2026-05-05"
    assert interval_start(run(None)) == interval_end(run(None)) == "2026-05-05T01:02:03+00:00"
