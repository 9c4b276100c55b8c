"""A condition as the JSON that ``ChoiceOperator`` evaluates."""

from __future__ import annotations

from typing import Any

from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Comparison, Condition, Not
from airflow_ml_provider.pipeline.values import Metric, Parameter


def spell_condition(condition: Condition) -> dict[str, Any]:
    """Spell a condition: ``all``, ``any`` and ``not`` around comparisons with ``op``."""
    if isinstance(condition, AllOf):
        return {"all": [spell_condition(inner) for inner in condition.conditions]}
    if isinstance(condition, AnyOf):
        return {"any": [spell_condition(inner) for inner in condition.conditions]}
    if isinstance(condition, Not):
        return {"not": spell_condition(condition.condition)}
    if isinstance(condition, Comparison):
        return {
            "op": condition.operator,
            "left": _side(condition.left),
            "right": _side(condition.right),
        }
    message = f"{condition!r} is no condition"
    raise TypeError(message)


def _side(value: object) -> Any:
    if isinstance(value, Metric):
        return {"task_id": value.step, "metric": list(value.path)}
    if isinstance(value, Parameter):
        return {"param": value.name}
    return value
