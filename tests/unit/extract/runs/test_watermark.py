from __future__ import annotations

import logging
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from airflow_ml_provider.extract.errors import CheckFailed, HistoryInvalid, NoRows, TypeMismatch
from airflow_ml_provider.extract.runs.history import History
from airflow_ml_provider.extract.runs.watermark import claim
from airflow_ml_provider.extract.selection import Window

URI = "s3://bucket/flights/_history/orders.json"


class Table:
    """A column, as a source answers for it."""

    def __init__(self, *values):
        self.values = list(values)
        self.asked = []

    def highest(self, column, after):
        self.asked.append((column, after))
        present = [v for v in self.values if v is not None]
        above = [v for v in present if after is None or v > after]
        return max(above, default=None), len(self.values) - len(present)


@pytest.fixture
def history(s3):
    return History(lambda: s3, URI)


@pytest.fixture
def claimed(history):
    def claimed(run, table, column="id", **options):
        return claim(history, run, column, table.highest, name="warehouse", **options)

    return claimed


def test_runs_follow_each_other(claimed):
    table = Table(1, 2)
    assert claimed("monday", table) == Window("id", None, 2)
    table.values += [3, 9]
    assert claimed("tuesday", table) == Window("id", 2, 9)
    assert table.asked == [("id", None), ("id", 2)]


def test_a_run_has_its_window_for_ever(claimed):
    table = Table(1)
    first = claimed("monday", table)
    table.values.append(5)
    claimed("tuesday", table)
    table.values.append(8)
    assert claimed("monday", table) == first
    assert claimed("wednesday", table) == Window("id", 5, 8)


def test_a_run_has_its_window_when_many_came_after_it(claimed, monkeypatch):
    monkeypatch.setattr(f"{History.__module__}.KEPT", 3)
    monkeypatch.setattr(f"{claim.__module__}.KEPT", 3)
    table = Table(0)
    windows = []
    for number in range(8):
        table.values = [number]
        windows.append(claimed(str(number), table))
    asked = len(table.asked)
    assert [claimed(str(number), table) for number in range(8)] == windows
    assert len(table.asked) == asked
    table.values = [12]
    assert claimed("new", table) == Window("id", 7, 12)


def test_nothing_new_is_an_empty_window(claimed):
    table = Table()
    assert claimed("monday", table) == Window("id", None, None)
    table.values.append(4)
    assert claimed("tuesday", table) == Window("id", None, 4)
    assert claimed("wednesday", table) == Window("id", 4, 4)
    assert claimed("monday", table) == Window("id", None, None)


def test_nothing_new_is_not_claimed_by_who_wants_rows(claimed, history):
    table = Table(4)
    claimed("monday", table)
    with pytest.raises(NoRows, match="warehouse: no row has id above 4; run tuesday claimed "):
        claimed("tuesday", table, empty=False)
    table.values.append(6)
    assert claimed("tuesday", table, empty=False) == Window("id", 4, 6)
    assert [c.run for c in history.read().claims] == ["monday", "tuesday"]


def test_who_comes_second_asks_again(claimed, history):
    """Two runs at once: the later one begins where the earlier one ends."""
    table = Table(5)

    class Slow(Table):
        def highest(self, column, after):
            if not self.asked:
                assert claimed("fast", table) == Window("id", None, 5)
            return super().highest(column, after)

    slow = Slow(5, 6)
    assert claimed("slow", slow) == Window("id", 5, 6)
    assert slow.asked == [("id", None), ("id", 5)]


def test_the_same_run_twice_at_once_has_one_window(claimed, history):
    class Slow(Table):
        def highest(self, column, after):
            claimed("monday", Table(5))
            return super().highest(column, after)

    assert claimed("monday", Slow(7)) == Window("id", None, 5)
    assert len(history.read().claims) == 1


def test_nulls_are_told(claimed, history):
    with pytest.raises(CheckFailed, match=r"column 'id' is NULL in 1,500 rows.*mend: .*coalesce"):
        claimed("monday", Table(1, *[None] * 1500))
    assert history.read().claims == ()


def test_another_column_is_told(claimed):
    claimed("monday", Table(1))
    with pytest.raises(HistoryInvalid, match=r"watermark 'day', but .* of 'id'; mend: give 'id'"):
        claimed("tuesday", Table(date(2026, 1, 1)), column="day")


@pytest.mark.parametrize("value", [1.5, b"x", Decimal("NaN")], ids=repr)
def test_a_type_that_is_no_watermark_is_told(claimed, value):
    with pytest.raises(TypeMismatch, match=r"column 'id': .* is no int, decimal.*mend: cast"):
        claimed("monday", Table(value))


def test_a_type_that_changed_is_told(claimed, history):
    claimed("monday", Table(1))

    class Changed(Table):
        def highest(self, column, after):
            return "2", 0

    with pytest.raises(TypeMismatch, match="'2' is text, but earlier runs claimed up to 1, int; "):
        claimed("tuesday", Changed())
    assert len(history.read().claims) == 1


@pytest.mark.parametrize("zone", [timezone.utc, None])
def test_a_delay_leaves_what_is_young_to_a_later_run(claimed, zone):
    now = datetime.now(timezone.utc).replace(tzinfo=zone)
    old, young, future = now - timedelta(hours=2), now, now + timedelta(days=365)
    assert claimed("a", Table(old), delay_seconds=3600) == Window("id", None, old)
    window = claimed("b", Table(old, young, future), delay_seconds=3600)
    assert window.after == old
    assert timedelta(0) <= window.upto - (now - timedelta(hours=1)) < timedelta(minutes=1)
    assert window.upto.tzinfo == zone
    table = Table(old, young, future)
    assert claimed("c", table, delay_seconds=7200) == Window("id", window.upto, window.upto)


def test_a_delay_needs_timestamps(claimed):
    with pytest.raises(TypeMismatch, match="holds 5, and a delay needs timestamps; mend: no delay"):
        claimed("a", Table(5), delay_seconds=60)


def test_windows_that_were_never_published_are_logged(claimed, caplog):
    caplog.set_level(logging.INFO)
    claimed("monday", Table(1))
    claimed("tuesday", Table(2))
    assert "warehouse: windows not published until now: monday" in caplog.messages
    assert "warehouse: run tuesday reads id above 1 up to 2" in caplog.messages
