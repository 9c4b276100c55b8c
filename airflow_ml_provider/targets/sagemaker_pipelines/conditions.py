"""Conditions of a choice in the language of a pipeline definition.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-condition
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Comparison, Not

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.pipeline.conditions import Condition

_TYPES = {
    "<": "LessThan",
    "<=": "LessThanOrEqualTo",
    ">": "GreaterThan",
    ">=": "GreaterThanOrEqualTo",
}
_OPPOSITES = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def conditions(when: Condition, spell: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """List what must all be true for ``when`` to be; ``spell`` spells the sides of comparisons."""
    simple = _simple(when, opposite=False)
    inner = simple.conditions if isinstance(simple, AllOf) else (simple,)
    return [_json(one, spell) for one in inner]


def _simple(when: Condition, *, opposite: bool) -> Condition:
    """Move every ``Not`` into a comparison, which is exact since a metric is a finite number."""
    if isinstance(when, Not):
        return _simple(when.condition, opposite=not opposite)
    if isinstance(when, Comparison):
        operator = _OPPOSITES[when.operator] if opposite else when.operator
        return Comparison(operator, when.left, when.right)
    assert isinstance(when, (AllOf, AnyOf)), when  # noqa: S101 - there are no others
    kind = AllOf if isinstance(when, AllOf) != opposite else AnyOf
    found: list[Condition] = []
    for one in when.conditions:
        inner = _simple(one, opposite=opposite)
        found += inner.conditions if isinstance(inner, kind) else (inner,)
    return found[0] if len(found) == 1 else kind(tuple(found))


def _json(when: Condition, spell: Callable[[Any], Any]) -> dict[str, Any]:
    if isinstance(when, Comparison):
        return {
            "Type": _TYPES[when.operator],
            "LeftValue": spell(when.left),
            "RightValue": spell(when.right),
        }
    if isinstance(when, AnyOf):
        return {"Type": "Or", "Conditions": [_json(one, spell) for one in when.conditions]}
    # There is no And below the top: a and b is not (not a or not b).
    return {"Type": "Not", "Condition": _json(_simple(when, opposite=True), spell)}
