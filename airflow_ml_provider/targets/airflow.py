"""The Airflow target: a plan as the description of a DAG, from which ``factories`` makes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.plan.nodes import Choice, Extract, Map
from airflow_ml_provider.targets.airflow_tasks import firsts, operator_of
from airflow_ml_provider.targets.airflow_values import Speller

if TYPE_CHECKING:
    from airflow_ml_provider.plan.nodes import Block, Node, Plan
    from airflow_ml_provider.targets.finding import Finding

# https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html#trigger-rules
_ALL_SUCCESS = "all_success"
_SOME_SKIPPED = "none_failed_min_one_success"
_FAILED_TOO = "none_skipped"


def document(plan: Plan) -> dict[str, Any]:
    """Describe the DAG in JSON.

    ``params`` have their defaults. ``tasks`` have a ``task_id``, the ``operator`` (a name of the
    registry in ``factories``), its ``arguments`` (templates; times in seconds), the ids
    ``upstream``, a ``trigger_rule`` where it isn't ``all_success``, and the ``group`` of a mapped
    task. ``maps`` names, for each group, the task whose answer it is mapped over.

    Choices and tasks with a fallback have several ends, of which some are skipped: what follows
    them runs if none failed and one ended well. A task of its own decides about a fallback,
    since Airflow's rules don't tell a task that failed from one that could never start.
    """
    tasks = _Tasks(plan)
    tasks.add(plan.nodes, _Place())
    return {
        "dag_id": plan.name,
        "keyed_by": plan.keyed_by,
        "params": {one.name: _plain(one.default) for one in plan.parameters},
        "tasks": tasks.listed,
        "maps": tasks.maps,
    }


def findings(plan: Plan) -> list[Finding]:
    """Say of every use of a feature whether it is kept, or what runs in its place.

    Airflow refuses nothing: the meaning of a plan was taken from it.
    """
    from airflow_ml_provider.targets.airflow_findings import (  # noqa: PLC0415 - not for a parse
        findings_of,
    )

    return findings_of(plan)


@dataclass(frozen=True)
class _Place:
    """Where a block lies: behind the task ``gate``, in the mapped ``group``."""

    gate: str = ""
    group: str = ""
    concurrency: int = 0


class _Tasks:
    """The tasks that were listed so far; ``maps`` has the task that each group is mapped over."""

    def __init__(self, plan: Plan) -> None:
        nodes = tuple(plan.all_nodes())
        self.listed: list[dict[str, Any]] = []
        self.maps: dict[str, str] = {}
        self._names = {node.name for node in nodes}
        self._joined: set[str] = set()
        self._may_skip = any(isinstance(n, Extract) and n.on_empty == "skip" for n in nodes)
        self._plan, self._speller = plan, Speller(plan.root, plan.name, mapped=plan.mapped)

    def add(self, block: Block, place: _Place) -> None:
        """List the tasks of a block; those that wait for no other one follow the gate."""
        nodes = {node.name: node for node in block}
        for node in block:
            upstream, rule = self._upstream([nodes[name] for name in node.after], place)
            speller = replace(self._speller, step=node.name)
            operator, arguments = operator_of(node, self._plan, speller)
            self._add(_task(node.name, operator, arguments, upstream), place, rule)
            if isinstance(node, Choice):
                for arm in (node.then, node.otherwise):
                    self.add(arm, replace(place, gate=node.name))
            elif isinstance(node, Map):
                self.add(node.body, _Place(node.name, self._group(node), node.concurrency))
                # There may be no items, so the task that gives them counts as an end, too. Airflow
                # 3.0 can't start what directly follows a mapped group that was skipped: this joins.
                task = _task(end_of(node), "join", {}, [node.name, *_ends(node.body)])
                self._add(task, place, _SOME_SKIPPED)
            elif fallback := getattr(node, "fallback", ()):
                guard = guard_of(node)
                arguments = {"of": node.name, "fallback": firsts(fallback)}
                task = _task(guard, "fallback", arguments, [node.name])
                self._add(task, place, _FAILED_TOO)
                self.add(fallback, replace(place, gate=guard))

    def _add(self, task: dict[str, Any], place: _Place, rule: str = _ALL_SUCCESS) -> None:
        if place.concurrency:
            task["arguments"]["max_active_tis_per_dagrun"] = place.concurrency
        if rule != _ALL_SUCCESS:
            task["trigger_rule"] = rule
        if place.group:
            task["group"] = place.group
        self.listed.append(task)

    def _upstream(self, before: list[Node], place: _Place) -> tuple[list[str], str]:
        several = [node for node in before if len(ends_of(node)) > 1]
        if not before:
            return [place.gate] if place.gate else [], _ALL_SUCCESS
        if not several:
            return [end for node in before for end in ends_of(node)], _ALL_SUCCESS
        if len(before) == 1 or not self._may_skip:
            return [end for node in before for end in ends_of(node)], _SOME_SKIPPED
        # A task that an empty extract lets skip must not be taken for an arm that was not chosen.
        return [
            self._join(node, place) if node in several else ends_of(node)[0] for node in before
        ], _ALL_SUCCESS

    def _join(self, node: Node, place: _Place) -> str:
        join = end_of(node)
        if join not in self._joined:
            self._joined.add(join)
            self._add(_task(join, "join", {}, ends_of(node)), place, _SOME_SKIPPED)
        return join

    def _group(self, node: Map) -> str:
        group = f"{node.name}-items"
        while group in self._names:
            group += "-"
        self._names.add(group)
        self.maps[group] = node.name
        return group


def ends_of(node: Node) -> list[str]:
    """Name the tasks of which one has ended well, and none failed, when the node has ended well."""
    if isinstance(node, Choice):
        return [end for arm in (node.then, node.otherwise) for end in _ends(arm) or [node.name]]
    if isinstance(node, Map):
        return [end_of(node)]
    fallback: Block = getattr(node, "fallback", ())
    return [guard_of(node), *_ends(fallback)] if fallback else [node.name]


def end_of(node: Node) -> str:
    """Name the task that joins the ends of a node."""
    return f"{node.name}.end"


def guard_of(node: Node) -> str:
    """Name the task that decides about a fallback; no step's name has a dot."""
    return f"{node.name}.fallback"


def _task(name: str, operator: str, arguments: dict[str, Any], upstream: list[str]) -> Any:
    return {"task_id": name, "operator": operator, "arguments": arguments, "upstream": upstream}


def _ends(block: Block) -> list[str]:
    followed = {name for node in block for name in node.after}
    return [end for node in block if node.name not in followed for end in ends_of(node)]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
