"""What the rows of an extract have to be before they are published: a small declarative set."""

from __future__ import annotations

import math
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import Item, Parameter, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import TypeAlias

    Bound: TypeAlias = "int | float | Decimal | str | date | time | Parameter | Run | Item | None"
    Check: TypeAlias = "RowCount | NotNull | Unique | InRange"

_NUMBERS = (int, float, Decimal)


@dataclass(frozen=True)
class RowCount:
    """There are at least ``minimum`` and at most ``maximum`` rows."""

    minimum: int | Parameter | Item | None = None
    maximum: int | Parameter | Item | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON, which may hold values of the run; a bound that is None is left out."""
        return {"check": "row_count", **_bounds(self)}

    def problems(self) -> Iterator[str]:
        """Name what is wrong with it."""
        yield from _bound_problems(self, _row_count_problem)


@dataclass(frozen=True)
class InRange:
    """What is in ``column`` is at least ``minimum`` and at most ``maximum``; NULL passes.

    A bound is a number, a text, or a date or time, which may also be given as its ISO 8601 text;
    it has to fit the column's type.
    """

    column: str
    minimum: Bound = None
    maximum: Bound = None

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON, which may hold values of the run; a bound that is None is left out."""
        return {"check": "in_range", "column": self.column, **_bounds(self)}

    def problems(self) -> Iterator[str]:
        """Name what is wrong with it."""
        yield from _column_problems((self.column,))
        yield from _bound_problems(self, _range_problem)


class _OfColumns:
    """A check that is given nothing but columns."""

    __slots__ = ("columns",)
    check = ""

    def __init__(self, *columns: str) -> None:
        self.columns = columns

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.columns == self.columns

    def __hash__(self) -> int:
        return hash((self.check, self.columns))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.columns))})"

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {"check": self.check, "columns": list(self.columns)}

    def problems(self) -> Iterator[str]:
        """Name what is wrong with it."""
        if not self.columns:
            yield "it names no column"
        yield from _column_problems(self.columns)


class NotNull(_OfColumns):
    """None of the columns holds NULL: ``NotNull("id", "day")``. NaN is no NULL."""

    __slots__ = ()
    check = "not_null"


class Unique(_OfColumns):
    """No two rows have the same values in the columns: ``Unique("id", "day")`` is one key."""

    __slots__ = ()
    check = "unique"


CHECKS = (RowCount, NotNull, Unique, InRange)


def check_problems(checks: object) -> Iterator[str]:
    """Name what is wrong with the ``checks`` of an extract."""
    if not isinstance(checks, (list, tuple)):
        yield f"checks: {checks!r} is no list; give checks=[...]"
        return
    for one in checks:
        if not isinstance(one, CHECKS):
            names = ", ".join(kind.__name__ for kind in CHECKS)
            yield f"checks: {one!r} is none of {names}"
        else:
            yield from (f"checks: {one!r}: {problem}" for problem in one.problems())


def _given(check: RowCount | InRange) -> dict[str, Any]:
    bounds = {"minimum": check.minimum, "maximum": check.maximum}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _bounds(check: RowCount | InRange) -> dict[str, Any]:
    return {name: _as_json(bound) for name, bound in _given(check).items()}


def _as_json(bound: Any) -> Any:
    if isinstance(bound, (date, time)):
        return bound.isoformat()
    return str(bound) if isinstance(bound, Decimal) else bound


def _column_problems(columns: tuple[object, ...]) -> Iterator[str]:
    for column in columns:
        if not isinstance(column, str) or not column:
            yield f"{column!r} is no name of a column"


def _bound_problems(check: RowCount | InRange, problem_of: Callable[[Any], str]) -> Iterator[str]:
    given = _given(check)
    if not given:
        yield "it has no bound; give minimum= or maximum="
    problems = {
        name: problem_of(bound.default if isinstance(bound, Parameter) else bound)
        for name, bound in given.items()
    }
    if any(problems.values()):
        yield from (f"{name} {given[name]!r} {said}" for name, said in problems.items() if said)
    elif len(given) > 1:
        yield from _order_problems(**given)


def _row_count_problem(bound: Any) -> str:
    whole = isinstance(bound, int) and not isinstance(bound, bool) and bound >= 0
    known = whole or isinstance(bound, Item)
    return "" if known else "is no number of rows; give 0 or more"


def _range_problem(bound: Any) -> str:
    if isinstance(bound, _NUMBERS) and not isinstance(bound, bool):
        return "" if math.isfinite(bound) else "is not finite; leave it out"
    known = isinstance(bound, (str, date, time, Run, Item))
    return "" if known else "is neither a number nor a text, a date or a time"


def _order_problems(minimum: Any, maximum: Any) -> Iterator[str]:
    # A text may stand for a date or a decimal number: only the column says how such are ordered.
    if not all(isinstance(bound, (*_NUMBERS, date, time)) for bound in (minimum, maximum)):
        return
    try:
        if minimum > maximum:
            yield "its minimum is above its maximum"
    except TypeError:
        yield "its bounds can't be compared; give two of one kind, with a time zone or without"
