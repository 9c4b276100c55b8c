"""What is extracted: a query or table with its parameters, and which part of its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.statement import Statement, bind, quoted, table_name, trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from airflow_ml_provider.extract.statement import Paramstyle

_AFTER = "airflow_ml_after"
_UPTO = "airflow_ml_upto"


@dataclass(frozen=True)
class Window:
    """Rows whose ``column`` is above ``after`` (None: any) and at most ``upto`` (None: no rows)."""

    column: str
    after: object
    upto: object


@dataclass(frozen=True)
class Selection:
    """The rows of a ``query`` or a whole ``table`` of the connection ``name``.

    ``:name`` in the query is bound from ``parameters``, which must all be used, and ``defaults``,
    which need not. ``columns`` gives Arrow types by column name (``int64``, ``date32``,
    ``timestamp[us, tz=UTC]``, ``decimal128(10, 2)``, ...). ``partitions`` streams read at the same
    time, each a share of the rows by ``partition_by``, or of the table's pages without it.
    ``published`` gives the schema that this selection had the last time, if it is remembered.

    :raises BadQuery: not exactly one of ``query`` and ``table`` is given, or parameters of a table.
    """

    name: str
    query: str | None = None
    table: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    window: Window | None = None
    partitions: int = 1
    partition_by: str | None = None
    published: Callable[[], pa.Schema | None] = field(default=lambda: None, compare=False)

    def __post_init__(self) -> None:
        if bool(self.query) == bool(self.table):
            raise BadQuery(
                f"{self.name}: give either query or table "
                f"(query: {self.query!r}, table: {self.table!r})"
            )
        if self.table and self.parameters:
            raise BadQuery(f"{self.name}: table {self.table!r} takes no parameters; give a query")

    @property
    def query_sha256(self) -> str:
        """The fingerprint of the query's text or the table's name; no value is in it."""
        return sha256((self.query or f"table {self.table}").encode()).hexdigest()

    @property
    def definition_sha256(self) -> str:
        """The fingerprint of what decides the result's columns: the query and the given types."""
        return sha256(f"{self.query_sha256} {sorted(self.columns.items())}".encode()).hexdigest()

    def statement(
        self,
        paramstyle: Paramstyle,
        *,
        mysql: bool = False,
        escape_percent: bool = True,
        select: str = "*",
        where: Sequence[str] = (),
        values: Mapping[str, object] | None = None,
    ) -> Statement:
        """Give the statement of one driver.

        :param select: the select list over the selection's columns.
        :param where: further conditions; ``:name`` in them is bound from ``values``.
        :raises BadQuery: parameters are missing or unknown; the message names all of them.
        """
        bounds, conditions = self._window(mysql=mysql)
        conditions += where
        try:
            text = self._text(select, conditions, mysql=mysql)
            return bind(
                text,
                self.parameters,
                paramstyle,
                defaults={**self.defaults, **bounds, **(values or {})},
                mysql=mysql,
                escape_percent=escape_percent,
            )
        except BadQuery as error:
            raise BadQuery(f"{self.name}: {error}") from error

    def _text(self, select: str, conditions: list[str], *, mysql: bool) -> str:
        if self.query:
            inner = trimmed(self.query, mysql=mysql)
            if select == "*" and not conditions:
                return inner
            # On a line of its own, since the query may end in a comment. Oracle takes no `as` here.
            source = f"(\n{inner}\n) airflow_ml_selection"
        else:
            source = table_name(self.table or "", mysql=mysql)
        # Identifiers are quoted and values are bound.
        where = f" where {' and '.join(f'({c})' for c in conditions)}" if conditions else ""
        return f"select {select} from {source}{where}"  # noqa: S608

    def _window(self, *, mysql: bool) -> tuple[dict[str, object], list[str]]:
        if self.window is None:
            return {}, []
        if self.window.upto is None:  # there was nothing to claim
            return {}, ["1 = 0"]
        column = quoted(self.window.column, mysql=mysql)
        conditions, values = above(column, self.window.after)
        return {_UPTO: self.window.upto, **values}, [f"{column} <= :{_UPTO}", *conditions]


def above(name: str, after: object | None) -> tuple[list[str], dict[str, object]]:
    """Give the condition that a column, by its quoted name, is above a value, and its value.

    They are for `Selection.statement`. Above None is everything.
    """
    return ([], {}) if after is None else ([f"{name} > :{_AFTER}"], {_AFTER: after})
