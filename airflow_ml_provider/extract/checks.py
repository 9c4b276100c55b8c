"""Checks of the rows before they are published, evaluated while they stream by.

A check is a dict, as a pipeline's definition holds it::

    {"check": "row_count", "minimum": 1, "maximum": 1000}
    {"check": "not_null", "columns": ["id", "day"]}
    {"check": "unique", "columns": ["id", "day"]}          one key of several columns
    {"check": "in_range", "column": "amount", "minimum": 0, "maximum": "99.50"}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timezone
from functools import reduce
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from airflow_ml_provider.extract.arrow_types import FIT_ERRORS, to_array
from airflow_ml_provider.extract.errors import CheckFailed
from airflow_ml_provider.extract.unique import UniqueKeys, is_key_type, rows_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

_EXAMPLES = 3
_SHOWN_CHARACTERS = 200


class _Check(Protocol):
    def start(self, schema: pa.Schema) -> list[str]:  # noqa: ARG002
        return []

    def add(self, batch: pa.RecordBatch) -> None: ...

    def finish(self, rows: int) -> list[str]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Checks:
    """Several checks of one extract; ``name`` is the connection's id, for messages.

    It is for one thread and one extract, and a context manager that removes temporary files.
    """

    name: str
    checks: tuple[_Check, ...]

    def start(self, schema: pa.Schema) -> None:
        """Take the columns that rows will have, before one is read.

        :raises CheckFailed: a check names a column that is not there, or does not suit its type.
        """
        problems = [problem for check in self.checks for problem in check.start(schema)]
        _raise(f"{self.name}: checks do not suit the columns", problems)

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at some of the rows."""
        for check in self.checks:
            check.add(batch)

    def finish(self, rows: int) -> None:
        """Tell what is wrong with all of them.

        :raises CheckFailed: checks failed; the message has all of them, counts and examples.
        """
        failures = [failure for check in self.checks for failure in check.finish(rows)]
        _raise(f"{self.name}: checks failed, and nothing is published", failures)

    def close(self) -> None:
        """Remove temporary files."""
        for check in self.checks:
            check.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def checks_of(specs: Sequence[Mapping[str, Any]], name: str) -> Checks:
    """Give the checks of their dicts.

    :raises CheckFailed: a dict is no check.
    """
    checks, problems = [], []
    for spec in specs:
        fields = {key: value for key, value in spec.items() if key != "check"}
        try:
            checks.append(_KINDS[spec["check"]](**fields))
        except (KeyError, TypeError) as error:
            problems.append(f"{dict(spec)} ({error}); known: {', '.join(_KINDS)}")
    _raise(f"{name}: no checks", problems)
    return Checks(name, tuple(checks))


@dataclass
class _RowCount(_Check):
    minimum: int | None = None
    maximum: int | None = None

    def finish(self, rows: int) -> list[str]:
        if _outside(rows, self.minimum, self.maximum):
            return [f"row_count: {rows:,} rows, not {_range(self.minimum, self.maximum)}"]
        return []


@dataclass
class _Found:
    """Rows that fail, counted, and some of them."""

    columns: list[str]
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, batch: pa.RecordBatch, mask: pa.BooleanArray) -> None:
        count = int(mask.true_count)
        self.count += count
        if count and len(self.examples) < _EXAMPLES:
            # The first column is often the one that tells which row it is.
            names = dict.fromkeys([batch.schema.names[0], *self.columns])
            rows = batch.select(list(names)).filter(mask)
            self.examples += rows_shown(rows, _EXAMPLES - len(self.examples))


@dataclass
class _NotNull(_Check):
    columns: list[str]
    _found: list[_Found] = field(init=False)

    def start(self, schema: pa.Schema) -> list[str]:
        self._found = [_Found([name]) for name in self.columns]
        return _unknown("not_null", self.columns, schema)

    def add(self, batch: pa.RecordBatch) -> None:
        for name, found in zip(self.columns, self._found):
            column = batch.column(name)
            if column.null_count:
                found.add(batch, column.is_null())

    def finish(self, rows: int) -> list[str]:
        return [
            f"not_null({name}): NULL in {found.count:,} of {rows:,} rows{_shown(found.examples)}"
            for name, found in zip(self.columns, self._found)
            if found.count
        ]


@dataclass
class _Unique(_Check):
    columns: list[str]
    _keys: UniqueKeys = field(init=False)

    def __post_init__(self) -> None:
        self._keys = UniqueKeys(self.columns)

    @property
    def _title(self) -> str:
        return f"unique({', '.join(self.columns)})"

    def start(self, schema: pa.Schema) -> list[str]:
        return _unknown("unique", self.columns, schema) or [
            f"{self._title}: {name} is {schema.field(name).type}, which can't be compared exactly; "
            "cast it in the query"
            for name in self.columns
            if not is_key_type(schema.field(name).type)
        ]

    def add(self, batch: pa.RecordBatch) -> None:
        self._on_disk(lambda: self._keys.add(batch))

    def finish(self, rows: int) -> list[str]:
        self._on_disk(self._keys.finish)
        if not self._keys.repeated:
            return []
        examples = _shown(self._keys.examples)
        return [f"{self._title}: {self._keys.repeated:,} of {rows:,} rows repeat a key{examples}"]

    def close(self) -> None:
        self._keys.close()

    def _on_disk(self, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as error:
            raise CheckFailed(
                f"{self._title} needs room for its keys in temporary files: {error}; mend: free "
                "some, or let TMPDIR name a folder with more"
            ) from error


@dataclass
class _InRange(_Check):
    column: str
    minimum: Any = None
    maximum: Any = None
    _found: _Found = field(init=False)
    _bounds: list[tuple[Callable[..., Any], pa.Scalar]] = field(init=False)

    def start(self, schema: pa.Schema) -> list[str]:
        self._found = _Found([self.column])
        self._bounds = []
        if problems := _unknown("in_range", [self.column], schema):
            return problems
        arrow = schema.field(self.column).type
        if self.minimum is None and self.maximum is None:
            problems.append(f"in_range({self.column}): give a minimum, a maximum or both")
        for bound, compare in (
            (self.minimum, pc.greater_equal),
            (self.maximum, pc.less_equal),
        ):
            if bound is not None:
                try:
                    self._bounds.append((compare, _bound(bound, arrow)))
                except FIT_ERRORS as error:
                    problems.append(
                        f"in_range({self.column}): {bound!r} is no value of {arrow}: {error}"
                    )
        return problems

    def add(self, batch: pa.RecordBatch) -> None:
        column = batch.column(self.column)
        inside = [compare(column, bound) for compare, bound in self._bounds]
        # NULL is neither inside nor outside; NaN is outside, since no comparison with it holds.
        outside = pc.invert(reduce(pc.and_, inside)).fill_null(False)  # noqa: FBT003
        self._found.add(batch, outside)

    def finish(self, rows: int) -> list[str]:
        if not self._found.count:
            return []
        wanted = f"{_range(self.minimum, self.maximum)}{_shown(self._found.examples)}"
        return [f"in_range({self.column}): {self._found.count:,} of {rows:,} rows are not {wanted}"]


_KINDS: dict[str, Callable[..., _Check]] = {
    "row_count": _RowCount,
    "not_null": _NotNull,
    "unique": _Unique,
    "in_range": _InRange,
}


def _bound(bound: Any, arrow: pa.DataType) -> pa.Scalar:
    """Give a bound in the column's type, or one that holds more, for it may lie beyond it."""
    if isinstance(bound, str) and (pa.types.is_timestamp(arrow) or pa.types.is_date(arrow)):
        moment = datetime.fromisoformat(bound.replace("Z", "+00:00"))
        # Times without a zone are UTC, here as in the columns.
        moment = moment.astimezone(timezone.utc) if moment.tzinfo else moment
        if not getattr(arrow, "tz", None):
            moment = moment.replace(tzinfo=None)
        if pa.types.is_date(arrow) and moment.time() != time():
            raise ValueError("it has a time of day")
        return pa.scalar(moment.date() if pa.types.is_date(arrow) else moment, arrow)
    if pa.types.is_time(arrow):
        return pa.scalar(time.fromisoformat(bound), arrow)
    if pa.types.is_decimal128(arrow):
        wide = pa.decimal128(38, arrow.scale)
        return to_array([str(bound) if isinstance(bound, float) else bound], wide)[0]
    if pa.types.is_integer(arrow) and not pa.types.is_uint64(arrow):
        return to_array([bound], pa.int64())[0]
    return to_array([bound], arrow)[0]


def _unknown(check: str, columns: Sequence[str], schema: pa.Schema) -> list[str]:
    return [
        f"{check}({name}): there is no such column, but {', '.join(schema.names)}"
        for name in columns
        if name not in schema.names
    ]


def _outside(value: int, minimum: int | None, maximum: int | None) -> bool:
    return (minimum is not None and value < minimum) or (maximum is not None and value > maximum)


def _range(minimum: object, maximum: object) -> str:
    if maximum is None:
        return f"at least {minimum}"
    return f"at most {maximum}" if minimum is None else f"from {minimum} to {maximum}"


def _shown(examples: Sequence[object]) -> str:
    return f", e.g. {', '.join(map(str, examples))}"[:_SHOWN_CHARACTERS] if examples else ""


def _raise(title: str, problems: Sequence[str]) -> None:
    if problems:
        raise CheckFailed("\n  - ".join([title, *problems]))
