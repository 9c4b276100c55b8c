"""Checks of the rows of real databases: rows that fail them are never visible."""

from __future__ import annotations

import pytest

from airflow_ml_provider.extract.errors import CheckFailed
from airflow_ml_provider.pipeline import InRange, NotNull, RowCount, Unique

GOOD = [(number, "2026-01-01", number % 7) for number in range(1, 101)]
CHECKS = [
    RowCount(minimum=100, maximum=200),
    NotNull("id", "day"),
    Unique("id"),
    Unique("day", "amount", "id"),
    InRange("amount", minimum=0, maximum=6),
    InRange("day", minimum="2026-01-01", maximum="2026-01-01T00:00:00+00:00"),
]


@pytest.fixture(autouse=True)
def checked(step):
    step.options = {
        "columns": {"id": "int64", "day": "date32", "amount": "int32"},
        "checks": [check.to_dict() for check in CHECKS],
        "history": None,
    }


def test_good_rows_are_published(step):
    step.insert(*GOOD)
    assert len(step.run("monday")) == 100


def test_bad_rows_are_never_visible(step, keys):
    step.insert(*GOOD)
    step.run("monday")
    before = keys()
    step.insert((7, "2026-01-01", 0), (101, None, 9), (102, "2025-12-31", -1))
    for run in ("monday", "tuesday"):
        with pytest.raises(CheckFailed) as error:
            step.run(run)
        lines = str(error.value).splitlines()
        assert lines[0] == "warehouse: checks failed, and nothing is published"
        assert [line.split(", e.g. ")[0] for line in lines[1:]] == [
            "  - not_null(day): NULL in 1 of 103 rows",
            "  - unique(id): 1 of 103 rows repeat a key",
            "  - unique(day, amount, id): 1 of 103 rows repeat a key",
            "  - in_range(amount): 2 of 103 rows are not from 0 to 6",
            "  - in_range(day): 1 of 103 rows are not from 2026-01-01 to 2026-01-01T00:00:00+00:00",
        ]
        assert "{'id': 7}" in lines[2]
        assert "{'id': 101, 'amount': 9}, {'id': 102, 'amount': -1}" in lines[4]
    # The earlier result and its manifest are as they were.
    assert keys() == before
    assert len(step.ids("monday")) == 100


def test_too_few_rows(step, keys):
    step.insert(*GOOD[:99])
    with pytest.raises(CheckFailed, match="row_count: 99 rows, not from 100 to 200"):
        step.run("monday")
    assert keys() == []


def test_an_unknown_column_is_told_before_a_row_is_read(step, keys):
    step.insert((1, "no date", 1) if "sqlite" in step.database else (1, "2026-01-01", 1))
    step.options["checks"] = [NotNull("id", "name").to_dict()]
    with pytest.raises(
        CheckFailed, match=r"not_null\(name\): there is no such column, but id, day"
    ):
        step.run("monday")
    assert keys() == []
