"""What SQL text names: the parameters of a query, the parts of a table's name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

# After a word, a bracket, a quote or a colon it is a slice, a cast or a path, never a parameter.
_PARAMETER = r"(?<![\w:)\]\"'`]):(?P<name>[A-Za-z_]\w*)"
STANDARD = re.compile(
    r"(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'"  # PostgreSQL's strings with backslashes
    r"|'[^']*'|\"[^\"]*\"|`[^`]*`"  # a doubled quote reads as two strings side by side
    r"|(?<![\w$])\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$"
    r"|--[^\n]*|/\*.*?\*/|" + _PARAMETER,
    re.DOTALL,
)
"""Quoted text, comments and parameters."""
MYSQL = re.compile(
    r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`"
    r"|--(?=\s|$)[^\n]*|#[^\n]*|/\*.*?\*/|" + _PARAMETER,
    re.DOTALL,
)
"""The same by MySQL's rules."""


def parameters_in(query: str, dialect: re.Pattern[str] = STANDARD) -> list[str]:
    """Give the name of each ``:name`` in a query, in their order, as often as it is there."""
    return [match["name"] for match in dialect.finditer(query) if match["name"]]


def parameter_problem(
    query: str,
    given: Collection[str],
    defaults: Collection[str] = (),
    dialects: Collection[re.Pattern[str]] = (STANDARD, MYSQL),
) -> str | None:
    """Say which parameters are missing or not used, all of them, or give None.

    :param defaults: names that the query may use or not.
    :param dialects: where it is not known which, only what is wrong in each of them is.
    """
    found = [set(parameters_in(query, dialect)) for dialect in dialects]
    known = {*defaults, *given}
    problems = []
    if missing := sorted(set.intersection(*found) - known):
        problems.append(f"the query uses {_list(missing)}, which was not given")
    if unknown := sorted(set(given).difference(*found)):
        problems.append(f"{_list(unknown)} was given, but the query does not use it")
    if not problems:
        return None
    allowed = _list(sorted(known)) if known else "none"
    return (
        f"parameters: {'; '.join(problems)} (given: {allowed}); "
        "mend: the same names in the query and in parameters"
    )


def table_parts(table: str) -> list[str] | None:
    """Give the parts of ``table`` or ``schema.table``, or None if one of them is empty."""
    parts = table.split(".")
    return parts if all(parts) else None


def _list(names: list[str]) -> str:
    return ", ".join(f":{name}" for name in names)
