"""What a plan means: the reference that every target is held against."""

from __future__ import annotations

import operator
from collections import ChainMap
from itertools import count
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
from airflow_ml_provider.plan.nodes import Choice, Fail, Job, Map, all_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from behaviour import Behaviour

    from airflow_ml_provider.plan.nodes import Block, Node, Plan

_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def own_order(block: Block) -> dict[str, set[str]]:
    """Each node waits for what it names."""
    return {node.name: set(node.after) for node in block}


class UnknownMetricError(Exception):
    """A metric is missing or is no number."""


class Meaning:
    """Runs a plan in the head.

    ``order`` says what a node waits for: a target may add to what the plan says.
    ``repeats_jobs`` says whether the target can repeat a job that failed.
    """

    def __init__(
        self,
        plan: Plan,
        behaviours: Mapping[str, Behaviour],
        run: Mapping[Run, str],
        parameters: Mapping[str, Any],
        *,
        order: Any = own_order,
        repeats_jobs: bool = True,
    ) -> None:
        self._plan = plan
        self._behaviours = behaviours
        self._run = run
        self._parameters = {one.name: one.default for one in plan.parameters} | dict(parameters)
        self._order = order
        self._repeats_jobs = repeats_jobs
        self._mapped = {
            inner.name
            for node in plan.all_nodes()
            if isinstance(node, Map)
            for inner in all_nodes(node.body)
        }
        self.trace = Trace()

    def result(self) -> Trace:
        self.trace.succeeded = self._block(self._plan.nodes, None, ChainMap())
        return self.trace

    def _block(self, block: Block, item: tuple[int, Any] | None, reports: Any) -> bool:
        """Tell whether all that was reached ended well."""
        needs = self._order(block)
        done: dict[str, bool] = {}
        left = {node.name: node for node in block}
        while left:
            ready = [n for n in left.values() if needs[n.name] <= done.keys()]
            assert ready, needs
            for node in ready:
                del left[node.name]
                blocked = not all(done[name] for name in needs[node.name])
                done[node.name] = not blocked and self._node(node, item, reports)
        return all(done.values())

    def _node(self, node: Node, item: tuple[int, Any] | None, reports: Any) -> bool:
        if isinstance(node, Job):
            return self._job(node, item, reports) or (
                bool(node.fallback) and self._block(node.fallback, item, reports)
            )
        if isinstance(node, Choice):
            try:
                arm = node.then if self._holds(node.when, item, reports) else node.otherwise
            except UnknownMetricError:
                return False
            return self._block(arm, item, reports)
        if isinstance(node, Map):
            items = self._value(node.items, None, reports)
            ended = [self._block(node.body, one, reports.new_child()) for one in enumerate(items)]
            return all(ended)
        assert isinstance(node, Fail), node
        return False

    def _job(self, node: Job, item: tuple[int, Any] | None, reports: Any) -> bool:
        try:
            started = self._started(node, item, reports)
        except UnknownMetricError:
            return False
        behaviour = self._behaviours[node.name]
        index = None if item is None else item[0]
        repeats = sum(
            retry.attempts
            for retry in node.retry[:1]
            if self._repeats_jobs and (retry.errors is None or "job" in retry.errors)
        )
        for attempt in count():
            self.trace.started.append(started)
            if attempt >= behaviour.failing(index) and behaviour.failing(index) < ALWAYS:
                reports[node.name] = behaviour.metric(index)
                return True
            if attempt >= repeats:
                return False
        raise AssertionError

    def _started(self, node: Job, item: tuple[int, Any] | None, reports: Any) -> Started:
        request = self._value(node.request, item, reports)
        return started(request, None if item is None else item[0])

    def _value(self, value: Any, item: tuple[int, Any] | None, reports: Any) -> Any:
        def one(held: Any) -> Any:  # noqa: PLR0911 - a line a value
            if isinstance(held, Text):
                return "".join(_text(replace_values(part, one)) for part in held.parts)
            if isinstance(held, Run):
                return self._run[held]
            if isinstance(held, Parameter):
                return self._parameters[held.name]
            if isinstance(held, Metric):
                return self._metric(held, reports)
            if isinstance(held, Item):
                found = item[1]
                for part in held.path:
                    found = found[part]
                return found
            if isinstance(held, Output):
                index = f"/{item[0]}" if held.step in self._mapped else ""
                key = self._run[Run.KEY]
                return f"{self._plan.root}/{self._plan.name}/{key}/{held.step}{index}/{held.name}/"
            return held  # code, which the fakes leave out

        return replace_values(value, one)

    def _metric(self, metric: Metric, reports: Any) -> float:
        found = reports[metric.step]
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise UnknownMetricError(metric)
        return found

    def _holds(self, when: Any, item: Any, reports: Any) -> bool:
        if isinstance(when, (AllOf, AnyOf)):
            # Every comparison is made, so that a missing metric always fails.
            held = [self._holds(one, item, reports) for one in when.conditions]
            return all(held) if isinstance(when, AllOf) else any(held)
        if isinstance(when, Not):
            return not self._holds(when.condition, item, reports)
        left, right = (self._value(side, item, reports) for side in (when.left, when.right))
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
