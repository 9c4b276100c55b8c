"""Every row is in the result of exactly one run, whatever dies and however runs overlap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from extract_steps import Step, attempts

from airflow_ml_provider.extract.errors import CheckFailed, NoRows
from airflow_ml_provider.extract.runs.history import History
from airflow_ml_provider.extract.runs.watermark import claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# An attempt makes hardly more calls to S3.
_CALLS = 20
_DAY = "2026-01-01"


@pytest.fixture
def step(step: Step) -> Step:
    """Return the step with a watermark, and with types, since an empty window shows none."""
    step.options = {
        "watermark": "id",
        "columns": {"id": "int64", "day": "date32", "amount": "int32"},
    }
    return step


@pytest.fixture
def attempt(step: Step) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    with attempts(step) as attempt:
        yield attempt


@pytest.fixture
def add(step: Step) -> Callable[[int], None]:
    """Append so many rows."""
    last = 0

    def add(count: int) -> None:
        nonlocal last
        step.insert(*[(last + number, _DAY, number) for number in range(1, count + 1)])
        last += count

    return add


@pytest.mark.parametrize("seed", range(2))
def test_every_row_is_in_exactly_one_run(step, attempt, add, seed):
    random = Random(seed)
    succeeded, windows, runs, killed = set(), {}, [], 0
    for number in range(12):
        add(random.choice([0, 1, 7, 300]))
        runs.append(f"run-{number:02}")
        # The new run, twice at times; others are retried, or cleared though they succeeded.
        chosen = [runs[-1], *random.sample(runs, min(len(runs), random.randrange(3)))]
        deaths = [random.randrange(1, _CALLS) if random.random() < 0.6 else None for _ in chosen]
        for run, end in zip(chosen, attempt(*zip(chosen, deaths, strict=True)), strict=True):
            killed += end["killed"]
            if end["error"]:
                # Two attempts at one result: one gives way.
                assert "Superseded" in end["error"]
                assert chosen.count(run) > 1
            elif not end["killed"]:
                succeeded.add(run)
        published = [id_ for run in succeeded for id_ in step.ids(run)]
        assert len(published) == len(set(published))
        for claimed in step.history().claims:
            window = claimed.after, claimed.upto
            assert windows.setdefault(claimed.run, window) == window
    assert killed > 3
    for run in random.sample(runs, len(runs)):
        if run not in succeeded:
            step.run(run)
    step.run("last")
    published = [id_ for run in [*runs, "last"] for id_ in step.ids(run)]
    assert sorted(published) == [row[0] for row in step.sql("select id from orders order by id")]
    assert all(claimed.published for claimed in step.history().claims)


def test_a_kill_at_every_call(step, attempt, add):
    """A run dies at its first call, another at its second, ...; all have their rows at last."""
    calls, killed = 0, True
    while killed:
        calls += 1
        add(2)
        (end,) = attempt((f"run-{calls}", calls))
        assert end["error"] is None
        killed = end["killed"]
        add(3)
    # They died at listing, claiming, uploading, committing and remembering.
    assert calls > 10
    ids = [id_ for number in range(1, calls + 1) for id_ in step.run(f"run-{number}")]
    assert len(ids) == len(set(ids))
    assert sorted(ids + step.run("last")) == list(range(1, 5 * calls + 1))


def test_runs_at_the_same_time_share_nothing(step, attempt, add):
    add(1_000)
    runs = [f"run-{number}" for number in range(6)]
    assert attempt(*[(run, None) for run in runs]) == [{"killed": False, "error": None}] * 6
    assert sorted(len(step.ids(run)) for run in runs) == [0] * 5 + [1_000]


def test_claims_at_the_same_time_are_in_a_row(client, bucket, name):
    """Each run sees one row more than any before it."""
    history = History(lambda: client("s3"), f"s3://{bucket}/{name}/_history/orders.json")
    newest = iter(range(1, 1_000))

    def claimed(number):
        def highest(_column, _after):
            return next(newest), 0

        window = claim(history, f"{number}", "id", highest, name="warehouse")
        return window.after, window.upto

    with ThreadPoolExecutor(4) as pool:
        windows = sorted(pool.map(claimed, range(12)), key=lambda window: window[1])
    assert [after for after, _ in windows] == [None, *[upto for _, upto in windows[:-1]]]
    assert len(history.read().claims) == 12


def test_a_clear_reads_the_window_again_and_not_more(step, add):
    add(3)
    assert step.run("monday") == [1, 2, 3]
    add(2)
    assert step.run("tuesday") == [4, 5]
    step.sql("update orders set amount = 77 where id = 2")
    add(2)
    assert step.run("monday") == [1, 2, 3]
    assert sorted(step.published("monday")["amount"].to_pylist()) == [1, 3, 77]
    # A backfill of an earlier interval is a new run, and has what is new.
    assert step.run("sunday") == [6, 7]
    assert step.run("wednesday") == []


def test_where_no_rows_are_an_error_a_retry_finds_those_that_came(step, add):
    add(1)
    step.run("monday", on_empty="fail")
    with pytest.raises(NoRows, match="no row has id above 1; run tuesday claimed nothing"):
        step.run("tuesday", on_empty="fail")
    add(1)
    assert step.run("tuesday", on_empty="fail") == [2]


def test_a_query_with_parameters(step):
    step.insert(*[(number, _DAY, number % 2) for number in range(1, 7)])
    step.options |= {
        "table": None,
        "query": "select id, amount from orders where amount = :kind -- those of it",
        "parameters": {"kind": 1},
        "columns": {},
    }
    assert step.run("monday") == [1, 3, 5]
    step.insert(*[(number, _DAY, number % 2) for number in range(7, 10)])
    assert step.run("tuesday") == [7, 9]


def test_nulls_in_the_column_are_told(step):
    step.insert((1, _DAY, None), (2, _DAY, 5))
    with pytest.raises(CheckFailed, match="watermark column 'amount' is NULL in 1 rows"):
        step.run("monday", watermark="amount")
    assert step.history().claims == ()


_MOMENT = datetime(2026, 1, 1, 12, 0, 0, 1)  # noqa: DTZ001  some columns have no zone
_ZONES = [timezone(timedelta(hours=hours)) for hours in (2, 1, -1)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("numeric(20, 3)", ["1.001", "1.002", "12345678901234567.891"]),
        ("date", [date(2026, 1, day) for day in (1, 2, 3)]),
        ("timestamp", [_MOMENT + timedelta(microseconds=n) for n in range(3)]),
        ("timestamptz", [_MOMENT.replace(tzinfo=zone) for zone in _ZONES]),
        ("text", ["a'; drop table t; --", "b%s :id", "c?"]),
        ("varchar(10)", ["a", "b", "c"]),
    ],
)
def test_every_type_of_a_watermark_on_postgresql(parameters, client, output, kind, values):
    """The values go through the history and come back to the database as they were."""
    database = {**parameters, "options": "-c timezone=America/St_Johns"}
    step = Step(database, output, client("s3"), {"watermark": "at"})
    step.sql(f"create table orders (id integer, at {kind})")
    for number, value in enumerate(values):
        step.insert((number, value))
        assert step.run(f"run-{number}") == [number]
    assert step.run("none") == []
    assert [step.run(f"run-{number}") for number in range(len(values))] == [[0], [1], [2]]


def test_times_that_are_text_on_sqlite(tmp_path, client, output):
    database = {"sqlite": str(tmp_path / "warehouse.db")}
    step = Step(database, output, client("s3"), {"watermark": "at"})
    step.sql("create table orders (id integer, at text)")
    for number, value in enumerate(["2026-01-01 12:00:00", "2026-01-01 12:00:01"]):
        step.insert((number, value))
        assert step.run(f"run-{number}") == [number]
    step.options["columns"] = {"id": "int64", "at": "string"}
    assert step.run("none") == []
