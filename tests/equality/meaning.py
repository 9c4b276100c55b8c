"""What a plan means: the reference that every target is held against."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from behaviour import ALWAYS, Started, Trace

from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Not
from airflow_ml_provider.pipeline.values import (
    Item,
    Metric,
    Output,
    Parameter,
    Run,
    Text,
    replace_values,
)
from airflow_ml_provider.plan.nodes import Choice, Fail, Map

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from behaviour import Behaviour

    from airflow_ml_provider.plan.nodes import Block, Job, Node, Plan

    Order = Callable[[Block], Mapping[str, set[str]]]

_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def own_order(block: Block) -> dict[str, set[str]]:
    """Each node waits for what it names."""
    return {node.name: set(node.after) for node in block}


class UnknownMetricError(Exception):
    """A metric is missing or is no number."""


def ends_well(
    block: Block,
    does: Callable[[Node, int | None], bool],
    arm: Callable[[Choice, int | None], Block | None],
    *,
    order: Order = own_order,
    index: int | None = None,
) -> bool:
    """Run a block in the head, and tell whether all that was reached ended well.

    ``arm`` chooses, or gives ``None`` where a metric is missing; ``does`` runs any node but a
    choice or a map. ``index`` is that of a map's item. ``order`` says what a node waits for: a
    target may add to what the plan says.
    """

    def inner(block: Block, index: int | None = index) -> bool:
        return ends_well(block, does, arm, order=order, index=index)

    def ended(node: Node) -> bool:
        if isinstance(node, Choice):
            chosen = arm(node, index)
            return chosen is not None and inner(chosen)
        if isinstance(node, Map):
            # Each item runs, whatever became of the others.
            items = [inner(node.body, place) for place in range(len(node.items))]
            return all(items)
        fallback = getattr(node, "fallback", ())
        return does(node, index) or (bool(fallback) and inner(fallback))

    needs, well = order(block), {}
    left = {node.name: node for node in block}
    while left:
        ready = [node for node in left.values() if needs[node.name] <= well.keys()]
        assert ready, needs
        for node in ready:
            del left[node.name]
            well[node.name] = all(well[name] for name in needs[node.name]) and ended(node)
    return all(well.values())


class Meaning:
    """Runs a plan of processing jobs in the head.

    ``repeats_jobs`` says whether the target can repeat a job that failed.
    """

    def __init__(
        self,
        plan: Plan,
        behaviours: Mapping[str, Behaviour],
        run: Mapping[Run, str],
        parameters: Mapping[str, Any],
        *,
        order: Order = own_order,
        repeats_jobs: bool = True,
    ) -> None:
        self._plan = plan
        self._behaviours = behaviours
        self._run = run
        self._parameters = {one.name: one.default for one in plan.parameters} | dict(parameters)
        self._order = order
        self._repeats_jobs = repeats_jobs
        self._maps = {node.name: node for node in plan.all_nodes() if isinstance(node, Map)}
        self._mapped = plan.mapped
        self._reports: dict[tuple[str, int | None], object] = {}
        self.trace = Trace()

    def result(self) -> Trace:
        self.trace.succeeded = ends_well(self._plan.nodes, self._does, self._arm, order=self._order)
        return self.trace

    def _arm(self, node: Choice, index: int | None) -> Block | None:
        try:
            return node.then if self._holds(node.when, index) else node.otherwise
        except UnknownMetricError:
            return None

    def _does(self, node: Job | Fail, index: int | None) -> bool:
        if isinstance(node, Fail):
            return False
        try:
            found = started(self._value(node.request, index), index)
        except UnknownMetricError:
            return False
        behaviour = self._behaviours[node.name]
        repeats = sum(
            retry.attempts
            for retry in node.retry[:1]
            if self._repeats_jobs and (retry.errors is None or "job" in retry.errors)
        )
        for attempt in range(repeats + 1):
            self.trace.started.append(found)
            if behaviour.failing(index) <= min(attempt, ALWAYS - 1):
                self._reports[node.name, index] = behaviour.metric(index)
                return True
        return False

    def _value(self, value: Any, index: int | None) -> Any:
        def one(held: Any) -> Any:  # noqa: PLR0911 - a line a value
            if isinstance(held, Text):
                return "".join(_text(replace_values(part, one)) for part in held.parts)
            if isinstance(held, Run):
                return self._run[held]
            if isinstance(held, Parameter):
                return self._parameters[held.name]
            if isinstance(held, Metric):
                return self._metric(held, index)
            if isinstance(held, Item):
                found = self._maps[held.map].items[index]
                for part in held.path:
                    found = found[part]
                return found
            if isinstance(held, Output):
                item = f"/{index}" if held.step in self._mapped else ""
                key = self._run[Run.KEY]
                return f"{self._plan.root}/{self._plan.name}/{key}/{held.step}{item}/{held.name}/"
            return held  # code, which the fakes leave out

        return replace_values(value, one)

    def _metric(self, metric: Metric, index: int | None) -> float:
        found = self._reports[metric.step, index if metric.step in self._mapped else None]
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise UnknownMetricError(metric)
        return found

    def _holds(self, when: Any, index: int | None) -> bool:
        if isinstance(when, (AllOf, AnyOf)):
            # Every comparison is made, so that a missing metric always fails.
            held = [self._holds(one, index) for one in when.conditions]
            return all(held) if isinstance(when, AllOf) else any(held)
        if isinstance(when, Not):
            return not self._holds(when.condition, index)
        left, right = (self._value(side, index) for side in (when.left, when.right))
        return _OPERATORS[when.operator](left, right)


def started(request: Mapping[str, Any], index: int | None) -> Started:
    """Read a CreateProcessingJob request as the fakes see it."""
    inputs = {
        one["InputName"]: one["S3Input"]["S3Uri"]
        for one in request["ProcessingInputs"]
        if one["InputName"] != "code"
    }
    outputs = {
        one["OutputName"]: one["S3Output"]["S3Uri"]
        for one in request["ProcessingOutputConfig"]["Outputs"]
    }
    return Started(
        step=request["Environment"]["STEP"],
        index=index,
        arguments=tuple(map(_text, request["AppSpecification"].get("ContainerArguments", ()))),
        inputs=tuple(sorted(inputs.items())),
        outputs=tuple(sorted(outputs.items())),
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
