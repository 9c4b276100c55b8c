"""What follows a decision, copied to each of its ends, since SageMaker Pipelines has no join.

A step starts when all the steps that it depends on have ended well; it can't depend on whichever
arm of a condition ran, nor on a step or else its fallback:
https://github.com/aws/sagemaker-python-sdk/issues/3565
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_ml_provider.plan.nodes import Choice, Fail
from airflow_ml_provider.targets.sagemaker_pipelines.units import copied, ends, followers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_ml_provider.targets.sagemaker_pipelines.units import Names, Unit, Units


def without_joins(block: Units, names: Names, moved: set[str]) -> Units:
    """Copy what follows a choice into its arms, and what follows a fallback behind it.

    ``moved`` gets the names of the plan's steps that now wait for a choice that they don't follow.

    :raises TooManyCopiesError: a step would be copied too often.
    """
    block = _reachable(block)
    while unit := next((unit for unit in block if unit.fallback), None):
        block = _reachable(_behind_fallback(block, unit, names))
    while unit := next((unit for unit in block if _is_followed_choice(unit, block)), None):
        block = _into_arms(block, unit, names, moved)
    return tuple(
        replace(
            unit,
            then=without_joins(unit.then, names, moved),
            otherwise=without_joins(unit.otherwise, names, moved),
        )
        for unit in block
    )


def _reachable(block: Units) -> Units:
    # Nothing follows the end of the run.
    never = followers(block, _fails(block))
    return tuple(unit for unit in block if unit.name not in never)


def _fails(block: Units) -> list[str]:
    return [unit.name for unit in block if isinstance(unit.node, Fail)]


def _is_followed_choice(unit: Unit, block: Units) -> bool:
    return isinstance(unit.node, Choice) and unit.name not in ends(block)


def _behind_fallback(block: Units, unit: Unit, names: Names) -> Units:
    caught = tuple(
        replace(inner, failed=unit.name) if not inner.after else inner for inner in unit.fallback
    )
    block = tuple(replace(one, fallback=()) if one is unit else one for one in block)
    if _fails(caught):
        return (*block, *caught)
    after = followers(block, [unit.name])
    tail = tuple(one for one in block if one.name in after)
    again = copied(tail, "-fallback", names, count=True)
    return (*block, *caught, *_following(again, unit.name, ends(caught)))


def _into_arms(block: Units, choice: Unit, names: Names, moved: set[str]) -> Units:
    inside = _tail(block, choice)
    moved.update(
        unit.node.name for unit in block if unit.name in inside - followers(block, [choice.name])
    )
    tail = tuple(unit for unit in block if unit.name in inside)
    arms = {"then": choice.then, "otherwise": choice.otherwise}
    open_arms = [key for key, arm in arms.items() if not _fails(arm)]
    for key in open_arms:
        mine = tail
        if len(open_arms) > 1:
            suffix = "-then" if key == "then" else "-else"
            mine = copied(tail, suffix, names, count=key == open_arms[-1])
        arms[key] = (*arms[key], *_following(mine, choice.name, ends(arms[key])))
    decided = replace(choice, then=arms["then"], otherwise=arms["otherwise"])
    return tuple(decided if unit is choice else unit for unit in block if unit.name not in inside)


def _tail(block: Units, choice: Unit) -> set[str]:
    """Name what must go into the arms: what follows the choice, and choices beside it, too.

    Of two choices that the same step follows, one has to stand in the arms of the other.
    """
    inside = followers(block, [choice.name])
    after = {
        unit.name: {unit.name, *followers(block, [unit.name])}
        for unit in block
        if isinstance(unit.node, Choice) and unit is not choice
    }
    while True:
        more = [name for name in after if name not in inside and after[name] & inside]
        if not more:
            return inside
        inside.update(*(after[name] for name in more))


def _following(block: Units, old: str, new: Iterable[str]) -> Units:
    return tuple(
        replace(
            unit,
            after=tuple(
                dict.fromkeys(
                    name for one in unit.after for name in (tuple(new) if one == old else (one,))
                )
            ),
        )
        for unit in block
    )
