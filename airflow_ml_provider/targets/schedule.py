"""A DAG's schedule as one of EventBridge Scheduler, with the data interval that it stands for.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.frozen import dataclass

_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MINUTES, _HOURS, _MONTHS = 60, 24, 12
_LAST_DAY_OF_EVERY_MONTH = 28
_MINUTE_SECONDS, _HOUR_SECONDS, _DAY_SECONDS = 60, 3600, 86400


@dataclass(frozen=True)
class Schedule:
    """When a run starts (UTC), and how long before that its data interval began.

    Of ``seconds`` and ``months`` the other one is 0.
    """

    expression: str
    seconds: int = 0
    months: int = 0


def parse_schedule(schedule: Any, pipeline: str) -> Schedule | None:
    """Read what Airflow takes as ``schedule``; ``None`` and ``@once`` have no schedule.

    Presets, cron expressions with one period (every n minutes, hours, months; a day, a week, a
    year) and a ``timedelta`` of whole minutes.

    :raises PipelineError: it is another one, with what may be given instead.
    """
    if schedule is None or schedule == "@once":
        return None
    if isinstance(schedule, timedelta):
        found = _every(schedule)
    elif isinstance(schedule, str):
        found = _cron(_PRESETS.get(schedule, schedule))
    else:
        found = None
    if found is None:
        problem = (
            f"schedule: {schedule!r} has no one period that EventBridge Scheduler could keep; give "
            "a preset such as '@daily', a cron expression with one period such as '30 */6 * * *' "
            "(steps that divide the hour, the day or the year; days of the month up to 28) or a "
            "timedelta of whole minutes, or None and start the runs yourself"
        )
        raise PipelineError(f"pipeline {pipeline!r}", [problem])
    return found


def _every(period: timedelta) -> Schedule | None:
    minutes, rest = divmod(int(period.total_seconds()), _MINUTE_SECONDS)
    if minutes < 1 or rest or period.microseconds:
        return None
    seconds = minutes * _MINUTE_SECONDS
    # What divides the day is kept to the clock, as a rate would run from when it was deployed.
    if _MINUTES % minutes == 0 and minutes < _MINUTES:
        return Schedule(f"cron({_each(minutes)} * * * ? *)", seconds)
    hours, odd_minutes = divmod(minutes, _MINUTES)
    if odd_minutes:
        return Schedule(f"rate({minutes} minutes)", seconds)
    days, odd_hours = divmod(hours, _HOURS)
    if _HOURS % hours == 0 and hours < _HOURS:
        return Schedule(f"cron(0 {_each(hours)} * * ? *)", seconds)
    if odd_hours:
        return Schedule(f"rate({hours} hours)", seconds)
    return Schedule("cron(0 0 * * ? *)" if days == 1 else f"rate({days} days)", seconds)


def _cron(expression: str) -> Schedule | None:
    match expression.split():
        case [minute, "*", "*", "*", "*"] if step := _step(minute, _MINUTES):
            return Schedule(f"cron({_each(step)} * * * ? *)", step * _MINUTE_SECONDS)
        case [minute, hour, *rest] if _in(minute, 0, _MINUTES - 1):
            return _at_minute(int(minute), hour, rest)
    return None


def _at_minute(minute: int, hour: str, rest: list[str]) -> Schedule | None:
    step = _step(hour, _HOURS)
    if step and rest == ["*"] * 3:
        return Schedule(f"cron({minute} {_each(step)} * * ? *)", step * _HOUR_SECONDS)
    return _at_clock(f"{minute} {int(hour)}", rest) if _in(hour, 0, _HOURS - 1) else None


def _at_clock(clock: str, rest: list[str]) -> Schedule | None:
    match rest:
        case ["*", "*", "*"]:
            return Schedule(f"cron({clock} * * ? *)", _DAY_SECONDS)
        case ["*", "*", weekday] if name := _weekday(weekday):
            return Schedule(f"cron({clock} ? * {name} *)", 7 * _DAY_SECONDS)
        case [day, month, "*"] if _in(day, 1, _LAST_DAY_OF_EVERY_MONTH):
            date = f"cron({clock} {int(day)}"
            if _in(month, 1, _MONTHS):
                return Schedule(f"{date} {int(month)} ? *)", months=_MONTHS)
            if step := _step(month, _MONTHS):
                return Schedule(f"{date} {_each(step, first=1)} ? *)", months=step)
    return None


def _in(field: str, low: int, high: int) -> bool:
    return re.fullmatch(r"[0-9]{1,2}", field) is not None and low <= int(field) <= high


def _step(field: str, whole: int) -> int:
    """Give n of ``*/n`` where it divides the whole evenly, else 0."""
    found = re.fullmatch(r"\*(?:/([0-9]{1,2}))?", field)
    step = int(found[1] or 1) if found else 0
    return step if step and whole % step == 0 else 0


def _each(step: int, *, first: int = 0) -> str:
    return "*" if step == 1 else f"{first}/{step}"


def _weekday(field: str) -> str | None:
    if _in(field, 0, 7):
        return _DAYS[int(field) % 7]
    return field.upper() if field.upper() in _DAYS else None
