"""Whether the policies of a role allow something, decided as IAM decides it.

IAM's own order: an explicit Deny wins, then one Allow is enough, else the call is refused. Of a
policy ``Effect``, ``Action``, ``Resource`` and ``Condition`` are read. What is not known here, such
as ``NotAction`` or another operator, allows nothing and denies all.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Statement = Mapping[str, Any]
_WITH_WILDCARDS = {"StringEquals": False, "StringLike": True, "ArnEquals": True, "ArnLike": True}


@dataclass(frozen=True)
class Permission:
    """One action on one resource, as IAM decides it.

    ``context`` has the condition keys of the request that are known here, and their values.
    """

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


def statements_of(name: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Statement]]:
    """Give the statements of one policy document, each as ``<name>/<Sid or number>``."""
    for number, statement in enumerate(listed(document["Statement"])):
        yield f"{name}/{statement.get('Sid', number)}", statement


def decide(
    statements: Iterable[tuple[str, Statement]], needed: Permission
) -> tuple[tuple[str, ...], bool]:
    """Return the names of the statements that allow something, and whether one denies it."""
    found = [(name, one) for name, one in statements if is_about(one, needed)]
    allowing = tuple(name for name, one in found if one["Effect"] == "Allow")
    return allowing, any(one["Effect"] == "Deny" for _, one in found)


def is_about(statement: Statement, needed: Permission) -> bool:
    """Tell whether a statement allows or denies something."""
    denies: bool = statement["Effect"] == "Deny"
    for element, value in (("Action", needed.action), ("Resource", needed.resource)):
        if element not in statement:
            return denies
        patterns = listed(statement[element])
        # Actions have no case: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
        ignore_case = element == "Action"
        if not any(_matches(pattern, value, ignore_case=ignore_case) for pattern in patterns):
            return False
    conditions: Statement = statement.get("Condition", {})
    context = dict(needed.context)
    return all(_holds(name, tests, context, unknown=denies) for name, tests in conditions.items())


def _holds(operator: str, tests: Statement, context: Mapping[str, str], *, unknown: bool) -> bool:
    if operator not in _WITH_WILDCARDS:
        return unknown
    for key, values in tests.items():
        if key not in context:
            return False
        wanted = [str(value) for value in listed(values)]
        if _WITH_WILDCARDS[operator]:
            if not any(_matches(pattern, context[key]) for pattern in wanted):
                return False
        elif context[key] not in wanted:
            return False
    return True


def listed(value: Any) -> list[Any]:
    """Give the list that a policy may write as its one member."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    text = "".join(parts.get(letter, re.escape(letter)) for letter in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
