"""Conditions of a choice in the language of a pipeline definition.

A condition step takes a list that must hold as a whole, of comparisons and of ``Or`` lists of
comparisons. The published schema has nothing else, and SDKs spell ``Not`` in two ways:
https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

from __future__ import annotations

from itertools import chain, product
from math import prod
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Comparison, Not

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import TypeAlias

    from airflow_ml_provider.pipeline.conditions import Condition

    Clause: TypeAlias = "tuple[Comparison, ...]"

_TYPES = {
    "<": "LessThan",
    "<=": "LessThanOrEqualTo",
    ">": "GreaterThan",
    ">=": "GreaterThanOrEqualTo",
}
_OPPOSITES = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def conditions(when: Condition, spell: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """List what must all be true for ``when`` to be; ``spell`` spells the sides of comparisons."""

    def json(comparison: Comparison) -> dict[str, Any]:
        return {
            "Type": _TYPES[comparison.operator],
            "LeftValue": spell(comparison.left),
            "RightValue": spell(comparison.right),
        }

    return [
        json(clause[0])
        if len(clause) == 1
        else {"Type": "Or", "Conditions": [json(one) for one in clause]}
        for clause in _clauses(when, opposite=False)
    ]


def count(when: Condition, *, opposite: bool = False) -> int:
    """Count what ``conditions`` lists, without making it: each ``|`` of ``&`` multiplies it."""
    if isinstance(when, Not):
        return count(when.condition, opposite=not opposite)
    if isinstance(when, Comparison):
        return 1
    is_and, parts = _joined(when, opposite=opposite)
    return (sum if is_and else prod)(count(one, opposite=opposite) for one in parts)


def _clauses(when: Condition, *, opposite: bool) -> list[Clause]:
    """Give an And of Ors; a ``Not`` goes into the comparisons, as all sides are finite numbers."""
    if isinstance(when, Not):
        return _clauses(when.condition, opposite=not opposite)
    if isinstance(when, Comparison):
        operator = _OPPOSITES[when.operator] if opposite else when.operator
        return [(Comparison(operator, when.left, when.right),)]
    is_and, parts = _joined(when, opposite=opposite)
    clauses = [_clauses(one, opposite=opposite) for one in parts]
    if is_and:
        return list(dict.fromkeys(chain.from_iterable(clauses)))
    # One of each part: (a and b) or c is (a or c) and (b or c).
    chosen = (tuple(dict.fromkeys(chain.from_iterable(one))) for one in product(*clauses))
    return list(dict.fromkeys(chosen))


def _joined(when: Condition, *, opposite: bool) -> tuple[bool, tuple[Condition, ...]]:
    """Give whether all parts must hold, or one, and the parts."""
    assert isinstance(when, (AllOf, AnyOf)), when  # noqa: S101 - there are no others
    return isinstance(when, AllOf) != opposite, when.conditions
