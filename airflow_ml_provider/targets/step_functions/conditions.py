"""Conditions as rules of a Choice state, and what must hold before one may be asked.

https://states-language.net/#choice-state
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Comparison, Not
from airflow_ml_provider.pipeline.values import Metric, Parameter, find
from airflow_ml_provider.targets.step_functions import paths

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

    from airflow_ml_provider.pipeline.conditions import Condition
    from airflow_ml_provider.targets.step_functions.facts import Facts
    from airflow_ml_provider.targets.step_functions.states import State, States
    from airflow_ml_provider.targets.step_functions.values import Speller

_RULES = {
    "<": ("NumericLessThan", operator.lt),
    "<=": ("NumericLessThanEquals", operator.le),
    ">": ("NumericGreaterThan", operator.gt),
    ">=": ("NumericGreaterThanEquals", operator.ge),
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def rule(condition: Condition, speller: Speller) -> dict[str, Any]:
    """Give the rule that is true where the condition is; its metrics must be there."""
    if isinstance(condition, AllOf):
        return {"And": [rule(one, speller) for one in condition.conditions]}
    if isinstance(condition, AnyOf):
        return {"Or": [rule(one, speller) for one in condition.conditions]}
    if isinstance(condition, Not):
        return {"Not": rule(condition.condition, speller)}
    if isinstance(condition, Comparison):
        return _comparison(condition, speller)
    raise TypeError(f"{condition!r} is no condition")


def number(path: str) -> dict[str, Any]:
    """Give the rule that there is a number at a path.

    A comparison with what is missing ends the execution; a ``Not`` over it may pass.
    """
    return {"And": [{"Variable": path, "IsPresent": True}, {"Variable": path, "IsNumeric": True}]}


def guarded(value: object, following: str, states: States, speller: Speller, facts: Facts) -> str:
    """Add what must come before the state that ``value`` was spelled for.

    Metrics in it must be numbers, and so must parameters that are compared, else the run fails;
    then what the speller left to be worked out. Gives ``following`` if there is nothing of that.
    """
    if speller.values:
        state: State = {"Type": "Pass", "Parameters": speller.values, "ResultPath": paths.VALUES}
        following = states.add(f"{speller.step}: values", {**state, "Next": following})
    step = speller.step
    choices = []
    for metric in dict.fromkeys(find(value, (Metric,))):
        named = " > ".join(repr(key) for key in metric.path)
        report = getattr(facts.nodes[metric.step], "report", None)
        file = f" {report.file}" if report else ""
        cause = (
            f"Step {step!r} needs the metric {named} of step {metric.step!r}: its report{file} "
            "has no such number."
        )
        missing = states.fail(f"{step}: no {'.'.join(metric.path)}", "MetricMissing", cause)
        choices.append({"Not": number(speller.path(metric)), "Next": missing})
    compared = [
        side
        for one in find(value, (Comparison,))
        for side in find([one.left, one.right], (Parameter,))
    ]
    for parameter in dict.fromkeys(compared):
        cause = f"Step {step!r} compares the parameter {parameter.name!r}, which is no number."
        wrong = states.fail(f"{step}: {parameter.name} no number", "ParameterInvalid", cause)
        choices.append({"Not": number(speller.path(parameter)), "Next": wrong})
    if not choices:
        return following
    state = {"Type": "Choice", "Choices": choices, "Default": following}
    return states.add(f"{step}: numbers there", state)


def _comparison(comparison: Comparison, speller: Speller) -> dict[str, Any]:
    left, right, sign = comparison.left, comparison.right, comparison.operator
    if _constant(left) and _constant(right):
        # `$.run` is always there.
        return {"Variable": paths.RUN, "IsPresent": bool(_RULES[sign][1](left, right))}
    if _constant(left):
        left, right, sign = right, left, _MIRRORED[sign]
    name = _RULES[sign][0]
    variable = speller.path(left)
    if _constant(right):
        return {"Variable": variable, name: right}
    return {"Variable": variable, f"{name}Path": speller.path(right)}


def _constant(side: object) -> TypeGuard[float]:
    return isinstance(side, (int, float))
