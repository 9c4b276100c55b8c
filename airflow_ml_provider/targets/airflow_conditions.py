"""A condition as the JSON that ``ChoiceOperator`` evaluates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Comparison, Condition, Not
from airflow_ml_provider.pipeline.values import Metric, Parameter

if TYPE_CHECKING:
    from collections.abc import Collection


def spell_condition(condition: Condition, mapped: Collection[str] = ()) -> dict[str, Any]:
    """Spell a condition: ``all``, ``any`` and ``not`` around comparisons with ``op``.

    ``mapped`` names the steps inside maps, whose metric is that of the same index.
    """
    if isinstance(condition, (AllOf, AnyOf)):
        joined = "all" if isinstance(condition, AllOf) else "any"
        return {joined: [spell_condition(inner, mapped) for inner in condition.conditions]}
    if isinstance(condition, Not):
        return {"not": spell_condition(condition.condition, mapped)}
    if isinstance(condition, Comparison):
        left, right = (_side(side, mapped) for side in (condition.left, condition.right))
        return {"op": condition.operator, "left": left, "right": right}
    message = f"{condition!r} is no condition"
    raise TypeError(message)


def _side(value: object, mapped: Collection[str]) -> Any:
    if isinstance(value, Metric):
        same = {"same_index": True} if value.step in mapped else {}
        return {"task_id": value.step, "metric": list(value.path), **same}
    return {"param": value.name} if isinstance(value, Parameter) else value
