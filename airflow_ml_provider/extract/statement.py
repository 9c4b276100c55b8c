"""SQL text with ``:name`` parameters, for any driver's paramstyle.

Values are always bound by the driver and never become text. SQLAlchemy's ``text()`` is not used
for it: it also takes ``:name`` inside quotes and comments for a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.sql.text import (
    MYSQL,
    STANDARD,
    parameter_problem,
    parameters_in,
    table_parts,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

Paramstyle = Literal["qmark", "numeric", "named", "format", "pyformat"]


@dataclass(frozen=True)
class Statement:
    """What a cursor executes: the text, and the values or None where there are none.

    Without values the text is the user's own, since no driver reads ``%`` in it then.
    """

    text: str
    values: Mapping[str, object] | tuple[object, ...] | None


def bind(
    query: str,
    parameters: Mapping[str, object],
    paramstyle: Paramstyle,
    *,
    defaults: Mapping[str, object] | None = None,
    mysql: bool = False,
    escape_percent: bool = True,
) -> Statement:
    """Translate ``:name`` to the paramstyle of PEP 249.

    Quoted text, comments, ``::casts`` and ``a:b`` slices are left alone; comments don't nest.
    ``defaults`` are values that the query may use or not; ``parameters`` must all be used.
    ``mysql`` reads the text by MySQL's rules (backslashes, ``#`` comments). ``escape_percent``
    doubles ``%`` for ``format`` and ``pyformat``.

    :raises BadQuery: parameters are missing or unknown; the message names all of them.
    """
    pattern = MYSQL if mysql else STANDARD
    if problem := parameter_problem(query, parameters, defaults or (), (pattern,)):
        raise BadQuery(problem)
    known = {**(defaults or {}), **parameters}
    found = parameters_in(query, pattern)
    if not found:
        return Statement(query, None)
    order = list(dict.fromkeys(found))
    spellings = {
        "qmark": dict.fromkeys(order, "?"),
        "numeric": {name: f":{position}" for position, name in enumerate(order, 1)},
        "named": {name: f":{name}" for name in order},
        "format": dict.fromkeys(order, "%s"),
        "pyformat": {name: f"%({name})s" for name in order},
    }
    spelling = spellings[paramstyle]
    # The driver runs its % formatting over the whole text, quotes and comments too.
    formats = paramstyle in ("format", "pyformat") and escape_percent
    text = query.replace("%", "%%") if formats else query
    text = pattern.sub(lambda match: spelling.get(match["name"], match[0]), text)
    if paramstyle in ("named", "pyformat"):
        return Statement(text, {name: known[name] for name in order})
    used = order if paramstyle == "numeric" else found
    return Statement(text, tuple(known[name] for name in used))


def trimmed(query: str, *, mysql: bool = False) -> str:
    """Give the query without the semicolons at its end, and comments behind them."""

    def blank(match: re.Match[str]) -> str:
        comment = match[0].startswith(("--", "/*", "#"))
        return " " * len(match[0]) if comment else match[0]

    pattern = MYSQL if mysql else STANDARD
    text = pattern.sub(blank, query)
    semicolon = text.find(";", len(text.rstrip("; \t\r\n\f")))
    return query if semicolon < 0 else query[:semicolon]


def quoted(name: str, *, mysql: bool = False) -> str:
    """Quote an identifier, so that its case and every character in it count."""
    quote = "`" if mysql else '"'
    return quote + name.replace(quote, quote * 2) + quote


def table_name(table: str, *, mysql: bool = False) -> str:
    """Quote ``table`` or ``schema.table``.

    :raises BadQuery: a part of the name is empty.
    """
    parts = table_parts(table)
    if parts is None:
        raise BadQuery(f"table {table!r} is not of the form table or schema.table")
    return ".".join(quoted(part, mysql=mysql) for part in parts)
