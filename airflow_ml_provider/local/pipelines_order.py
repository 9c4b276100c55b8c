"""Which steps of a pipeline may start, and how an execution has ended. Pure."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SUCCEEDED, FAILED, STOPPED = "Succeeded", "Failed", "Stopped"
COMPLETED = "Completed"
TRIGGERS = {
    COMPLETED: (SUCCEEDED,),
    "Failed": (FAILED,),
    "Stopped": (STOPPED,),
    "Any": (SUCCEEDED, FAILED, STOPPED),
}


class Need(NamedTuple):
    """That a step has ended in one of the ways of ``trigger``."""

    step: str
    trigger: str = COMPLETED

    def met(self, statuses: Mapping[str, str]) -> bool:
        """Tell whether it has."""
        return statuses.get(self.step) in TRIGGERS[self.trigger]


class Arm(NamedTuple):
    """The branch of a condition step that a step stands in; outcomes are ``True``, ``False``."""

    condition: str
    outcome: str


class Place(NamedTuple):
    """Where a step stands in the order."""

    name: str
    needs: tuple[Need, ...] = ()
    arm: Arm | None = None


def ready(
    places: Iterable[Place], statuses: Mapping[str, str], outcomes: Mapping[str, str]
) -> Iterator[str]:
    """List the steps that may start now.

    Args:
        places: all steps.
        statuses: of each step that was started.
        outcomes: of each condition step that was evaluated.

    """
    for place in places:
        if place.name in statuses:
            continue
        if place.arm and outcomes.get(place.arm.condition) != place.arm.outcome:
            continue
        if all(need.met(statuses) for need in place.needs):
            yield place.name


def unhandled(places: Iterable[Place], statuses: Mapping[str, str]) -> list[str]:
    """List the failed steps that no step was started for, by its trigger."""
    handled = {
        need.step
        for place in places
        if place.name in statuses
        for need in place.needs
        if FAILED in TRIGGERS[need.trigger]
    }
    return [name for name, status in statuses.items() if status == FAILED and name not in handled]


def again(places: Iterable[Place], statuses: Mapping[str, str]) -> set[str]:
    """List the steps that a retry of the execution starts again.

    These are the steps that didn't succeed and all that had started after them.
    """
    places = tuple(places)
    chosen = {name for name, status in statuses.items() if status != SUCCEEDED}
    while True:
        found = {
            place.name
            for place in places
            if place.name in statuses
            and (
                any(need.step in chosen for need in place.needs)
                or (place.arm and place.arm.condition in chosen)
            )
        }
        if found <= chosen:
            return chosen
        chosen |= found


def cycle(places: Iterable[Place]) -> list[str]:
    """Return the steps of a cycle, the first one again at its end, or nothing if there is none."""
    before = {
        place.name: {need.step for need in place.needs}
        | ({place.arm.condition} if place.arm else set())
        for place in places
    }
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
