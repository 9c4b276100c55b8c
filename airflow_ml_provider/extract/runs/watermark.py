"""The rows that came since the last run: each run claims a window of a column, once.

A run's window is claimed in the history under the run's key before a row is read. So the same run
reads the same window again, however often it is retried or cleared, and the next run begins where
the last claimed window ends: every row is in the window of exactly one run.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from airflow_ml_provider.extract.errors import CheckFailed, HistoryInvalid, NoRows, TypeMismatch
from airflow_ml_provider.extract.runs.history import KEPT, Claim, value_record
from airflow_ml_provider.extract.selection import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.extract.runs.history import History, State

    Highest = Callable[[str, object], tuple[object, int]]

log = logging.getLogger(__name__)


def claim(
    history: History,
    run: str,
    column: str,
    highest: Highest,
    *,
    name: str,
    delay_seconds: float = 0,
    empty: bool = True,
) -> Window:
    """Give the window of a run: the one it has, or all that is above the windows of other runs.

    :param run: the run's key.
    :param highest: asked for the column and a value; it gives the largest value above that one (or
        None), and how many rows have none.
    :param name: the connection's id, for messages.
    :param delay_seconds: leave what is younger to a later run; for timestamps alone, those without
        a zone are UTC. Rows that commit later than that with a smaller value are in no window.
    :param empty: whether a run may claim that there is nothing new; else it can come again.
    :raises NoRows: there is nothing new, and it may not. Nothing is claimed.
    :raises HistoryInvalid: the windows of earlier runs are those of another column.
    :raises CheckFailed: the column holds NULLs, which would be in no window.
    :raises TypeMismatch: the column's type can't be a watermark.
    """
    window: list[Claim] = []

    def change(state: State) -> State:
        if state.column not in (None, column):
            raise HistoryInvalid(
                f"{name}: watermark {column!r}, but earlier runs claimed windows of "
                f"{state.column!r}; mend: give {state.column!r}, or another name to the step, or "
                f"delete all that begins with {history.uri}, and all rows are new to the next run"
            )
        mine = state.claim(run)
        if mine is None and len(state.claims) >= KEPT:
            mine = history.moved_claim(run)
        if mine is None:
            upto = _upto(state.highest, column, highest, name, delay_seconds)
            if upto == state.highest and not empty:
                raise NoRows(f"{name}: no row has {column} above {upto}; run {run} claimed nothing")
            mine = Claim(run, state.highest, upto, datetime.now(timezone.utc))
            state = replace(state, column=column, claims=(*state.claims, mine))
        window[:] = [mine]
        return state

    state = history.update(change)
    mine = window[0]
    open_runs = [c.run for c in state.claims if not c.published and c.run != run]
    if open_runs:
        log.info("%s: windows not published until now: %s", name, ", ".join(open_runs))
    log.info("%s: run %s reads %s above %s up to %s", name, run, column, mine.after, mine.upto)
    return Window(column, mine.after, mine.upto)


def _upto(after: object, column: str, highest: Highest, name: str, delay_seconds: float) -> object:
    value, nulls = highest(column, after)
    if nulls:
        raise CheckFailed(
            f"{name}: watermark column {column!r} is NULL in {nulls:,} rows, which would be in no "
            "run's window; mend: leave them out in the query (a `where ... is not null`), or fill "
            "them there with coalesce"
        )
    if value is None:
        return after
    what = f"{name}: watermark column {column!r}"
    try:
        record, before = value_record(value), value_record(after)
    except TypeMismatch as error:
        raise TypeMismatch(f"{what}: {error}; mend: cast it in the query") from error
    # Values of two types have no order that a database and we agree on.
    if record and before and record["type"] != before["type"]:
        raise TypeMismatch(
            f"{what}: {value!r} is {record['type']}, but earlier runs claimed up to {after!r}, "
            f"{before['type']}; mend: cast it in the query to what it was"
        )
    return _delayed(value, after, column, name, delay_seconds) if delay_seconds else value


def _delayed(value: object, after: object, column: str, name: str, delay_seconds: float) -> object:
    if not isinstance(value, datetime):
        raise TypeMismatch(
            f"{name}: watermark column {column!r} holds {value!r}, and a delay needs timestamps; "
            "mend: no delay, or a timestamp column"
        )
    limit = datetime.now(timezone.utc) - timedelta(seconds=delay_seconds)
    if value.tzinfo is None:
        limit = limit.replace(tzinfo=None)
    upto = min(value, limit)
    return upto if after is None or upto > after else after  # type: ignore[operator]
