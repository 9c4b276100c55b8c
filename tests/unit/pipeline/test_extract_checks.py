from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal

import pytest

from airflow_ml_provider.pipeline import (
    InRange,
    Item,
    NotNull,
    Parameter,
    RowCount,
    Run,
    Unique,
)
from airflow_ml_provider.pipeline.extract_checks import check_problems

DAY = date(2026, 1, 1)
MOMENT = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
LEAST = Parameter("least", 1)


@pytest.mark.parametrize(
    ("check", "described"),
    [
        (RowCount(minimum=0), {"check": "row_count", "minimum": 0}),
        (RowCount(LEAST, 10), {"check": "row_count", "minimum": LEAST, "maximum": 10}),
        (NotNull("a", "b c"), {"check": "not_null", "columns": ["a", "b c"]}),
        (Unique("a"), {"check": "unique", "columns": ["a"]}),
        (
            InRange("x", 0, 1.5),
            {"check": "in_range", "column": "x", "minimum": 0, "maximum": 1.5},
        ),
        (
            InRange("day", minimum=DAY, maximum="2026-12-31"),
            {
                "check": "in_range",
                "column": "day",
                "minimum": "2026-01-01",
                "maximum": "2026-12-31",
            },
        ),
        (
            InRange("at", Run.INTERVAL_START, MOMENT),
            {
                "check": "in_range",
                "column": "at",
                "minimum": Run.INTERVAL_START,
                "maximum": "2026-01-01T12:00:00+00:00",
            },
        ),
        (
            InRange("amount", maximum=Decimal("10.50")),
            {"check": "in_range", "column": "amount", "maximum": "10.50"},
        ),
    ],
)
def test_checks_are_json_and_good(check, described):
    assert check.to_dict() == described
    assert list(check_problems([check])) == []


def test_checks_are_values():
    assert NotNull("a", "b") == NotNull("a", "b") != NotNull("b", "a")
    assert NotNull("a") != Unique("a")
    assert len({Unique("a"), Unique("a"), NotNull("a"), RowCount(1), RowCount(1)}) == 3
    assert repr(NotNull("a", "b")) == "NotNull('a', 'b')"


NO_ROWS = "is no number of rows; give 0 or more"
NO_BOUND = "is neither a number nor a text, a date or a time"
NONE = "it has no bound; give minimum= or maximum="
ABOVE = "its minimum is above its maximum"
UNLIKE = "its bounds can't be compared; give two of one kind, with a time zone or without"


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (RowCount(), [NONE]),
        (RowCount(2, 1), [ABOVE]),
        (RowCount(-1), [f"minimum -1 {NO_ROWS}"]),
        (
            RowCount(minimum=True, maximum=2.5),
            [f"minimum True {NO_ROWS}", f"maximum 2.5 {NO_ROWS}"],
        ),
        (RowCount(Run.KEY), [f"minimum <Run.KEY: 'key'> {NO_ROWS}"]),
        (RowCount(Item("m"), 5), []),
        (
            RowCount(Parameter("n", "5")),
            [f"minimum Parameter(name='n', default='5') {NO_ROWS}"],
        ),
        (
            InRange("x", maximum=Parameter("n", default=True)),
            [f"maximum Parameter(name='n', default=True) {NO_BOUND}"],
        ),
        (NotNull(), ["it names no column"]),
        (Unique("a", ""), ["'' is no name of a column"]),
        (NotNull(["a"]), ["['a'] is no name of a column"]),
        (InRange("x"), [NONE]),
        (InRange("", 1), ["'' is no name of a column"]),
        (InRange("x", 1, Decimal("0.5")), [ABOVE]),
        (InRange("x", "b", "a"), []),
        (InRange("x", "9", 5), []),
        (
            InRange("x", float("nan"), Decimal("inf")),
            [
                "minimum nan is not finite; leave it out",
                "maximum Decimal('Infinity') is not finite; leave it out",
            ],
        ),
        (
            InRange("x", minimum=True, maximum=[1]),
            [f"minimum True {NO_BOUND}", f"maximum [1] {NO_BOUND}"],
        ),
        (InRange("x", DAY, MOMENT), [UNLIKE]),
        (InRange("x", MOMENT.replace(tzinfo=None), MOMENT), [UNLIKE]),
        (InRange("x", time(2), time(1)), [ABOVE]),
        (InRange("x", DAY, 1), [UNLIKE]),
    ],
)
def test_what_is_wrong_with_a_check_is_named(check, expected):
    assert list(check_problems((check,))) == [f"checks: {check!r}: {one}" for one in expected]


def test_only_checks_are_checks():
    lonely = NotNull("a")
    assert list(check_problems(lonely)) == ["checks: NotNull('a') is no list; give checks=[...]"]
    assert list(check_problems([{"check": "unique"}, lonely, "b"])) == [
        "checks: {'check': 'unique'} is none of RowCount, NotNull, Unique, InRange",
        "checks: 'b' is none of RowCount, NotNull, Unique, InRange",
    ]
