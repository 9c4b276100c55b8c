"""Blocks of a plan as states: series, parallels, choices, maps and fallbacks.

States are made from the last to the first. On the way the compiler knows what is still needed
later (``live``), so that the state of an execution holds no more than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.values import Parameter
from airflow_ml_provider.plan.nodes import Approval, Call, Choice, Fail, Invoke, Job, Map
from airflow_ml_provider.targets.step_functions import paths
from airflow_ml_provider.targets.step_functions.conditions import guarded, rule
from airflow_ml_provider.targets.step_functions.facts import needs
from airflow_ml_provider.targets.step_functions.order import Parallel, Series, names_of, structure
from airflow_ml_provider.targets.step_functions.states import States
from airflow_ml_provider.targets.step_functions.tasks import approval, work
from airflow_ml_provider.targets.step_functions.values import Speller

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_ml_provider.plan.nodes import Block, Node
    from airflow_ml_provider.targets.step_functions.facts import Facts
    from airflow_ml_provider.targets.step_functions.order import Structure

# https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html: an inline map runs at
# most 40 items at a time, and all their events count against the 25,000 of the execution.
INLINE_ITEMS = 40


def block(nodes: Block, following: str, live: set[str], states: States, facts: Facts) -> str:
    """Add the states of a block before ``following``, and give the first one's name.

    ``live`` names the steps of which something is needed after the block.
    """
    if not nodes:
        return following
    order = structure({node.name: node.after for node in nodes})
    return _part(order, following, live, states, facts)[0]


def _part(
    part: Structure, following: str, live: set[str], states: States, facts: Facts
) -> tuple[str, set[str]]:
    if isinstance(part, str):
        node = facts.nodes[part]
        entry = _node(node, following, live, states, facts)
        return entry, (live - {part}) | needs([node])
    if isinstance(part, Series):
        for inner in reversed(part.parts):
            following, live = _part(inner, following, live, states, facts)
        return following, live
    return _parallel(part, following, live, states, facts)


def _node(node: Node, following: str, live: set[str], states: States, facts: Facts) -> str:
    if isinstance(node, (Job, Call, Invoke)):
        fallback = None
        if node.fallback:
            fallback = block(node.fallback, following, live, states, facts)
        return work(node, following, fallback, states, facts)
    if isinstance(node, Choice):
        return _choice(node, following, live, states, facts)
    if isinstance(node, Map):
        return _map(node, following, states, facts)
    if isinstance(node, Approval):
        return approval(node, following, states, facts)
    if isinstance(node, Fail):
        speller = Speller(facts, node.name)
        cause = speller.text(node.message)
        entry = states.fail(node.name, "PipelineFailed", cause, is_step=True)
        return guarded(node.message, entry, states, speller, facts)
    raise TypeError(f"step {node.name!r}: a {type(node).__name__} has no state of its own")


def _choice(node: Choice, following: str, live: set[str], states: States, facts: Facts) -> str:
    speller = Speller(facts, node.name)
    otherwise = block(node.otherwise, following, live, states, facts)
    then = block(node.then, following, live, states, facts)
    choices = [{**rule(node.when, speller), "Next": then}]
    state = {"Type": "Choice", "Choices": choices, "Default": otherwise}
    entry = states.add(node.name, state, is_step=True)
    return guarded(node.when, entry, states, speller, facts)


def _parallel(
    part: Parallel, following: str, live: set[str], states: States, facts: Facts
) -> tuple[str, set[str]]:
    members = [list(names_of(inner)) for inner in part.parts]
    name = f"{', '.join(names[0] for names in members)} in parallel"
    # Where each step's data lies after the join.
    joined: dict[str, str] = {}
    kept = {step for step in live if facts.kept(step)}
    selector = {"failures.$": "$[*].failure"}
    branches = []
    live_before = set(live)
    for number, (inner, names) in enumerate(zip(part.parts, members, strict=True)):
        made = kept & set(names)
        branches.append(_branch(inner, made, f"Branch of {names[0]}", states, facts))
        live_before |= needs(facts.nodes[one] for one in names)
        if made:
            selector[f"b{number}.$"] = f"$[{number}]"
            for step in made:
                joined[step] = paths.below(paths.JOINED, f"b{number}", "steps", facts.keys[step])
    live_before -= {one for names in members for one in names}
    restore = _join(kept, joined, states, facts)
    restored = states.add(f"{name}: joined", {**restore, "Next": following})
    ended = _ended(name, restored, states)
    state: dict[str, Any] = {
        "Type": "Parallel",
        "Branches": branches,
        "ResultSelector": selector,
        **states.catch(),
        "ResultPath": paths.JOINED,
        "Next": ended,
    }
    return states.add(name, state), live_before


def _branch(
    part: Structure, made: set[str], name: str, states: States, facts: Facts
) -> dict[str, Any]:
    inner = States(states.names, name, in_map=states.in_map)
    steps = {f"{facts.keys[step]}.$": facts.path(step) for step in sorted(made)}
    end = inner.add(f"{name}: done", {"Type": "Pass", "Parameters": {"steps": steps}, "End": True})
    return inner.machine(_part(part, end, made, inner, facts)[0])


def _join(
    kept: Iterable[str], joined: dict[str, str], states: States, facts: Facts
) -> dict[str, Any]:
    steps = {f"{facts.keys[step]}.$": joined.get(step, facts.path(step)) for step in sorted(kept)}
    common = [paths.RUN, paths.PARAMETERS]
    if states.in_map:
        common += [paths.ITEM, paths.INDEX]
    return {"Type": "Pass", "Parameters": {**_fields(common), "steps": steps}}


def _map(node: Map, following: str, states: States, facts: Facts) -> str:
    inner = States(states.names, f"Item of {node.name}", in_map=True)
    end = inner.add(f"{inner.branch}: done", {"Type": "Pass", "Result": {}, "End": True})
    machine = inner.machine(block(node.body, end, set(), inner, facts))
    mode = {"Mode": "INLINE"}
    if is_distributed(node):
        mode = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    items = paths.JOINED
    if isinstance(node.items, Parameter):
        items = paths.below(paths.PARAMETERS, node.items.name)
    passed = (paths.RUN, paths.PARAMETERS, paths.STEPS)
    entry = states.add(
        node.name,
        {
            "Type": "Map",
            "ItemsPath": items,
            "ItemSelector": {
                **_fields(passed),
                "item.$": "$$.Map.Item.Value",
                "index.$": "$$.Map.Item.Index",
            },
            **({"MaxConcurrency": node.concurrency} if node.concurrency else {}),
            "ItemProcessor": {"ProcessorConfig": mode, **machine},
            "ResultSelector": {"failures.$": "$[*].failure"},
            **states.catch(),
            "ResultPath": paths.JOINED,
            "Next": _ended(node.name, following, states),
        },
        is_step=True,
    )
    if isinstance(node.items, Parameter):
        return entry
    state = {"Type": "Pass", "Result": list(node.items), "ResultPath": items, "Next": entry}
    return states.add(f"{node.name}: items", state)


def _fields(of: Iterable[str]) -> dict[str, str]:
    return {f"{path.removeprefix('$.')}.$": path for path in of}


def is_distributed(node: Map) -> bool:
    """Whether each item of a map becomes an execution of its own."""
    return not isinstance(node.items, Parameter) and len(node.items) > INLINE_ITEMS


def _ended(name: str, following: str, states: States) -> str:
    first = f"{paths.below(paths.JOINED, 'failures')}[0]"
    state = {"Type": "Pass", "InputPath": first, "ResultPath": paths.FAILURE, "Next": states.failed}
    failed = states.add(f"{name}: first failure", state)
    choices = [{"Variable": first, "IsPresent": True, "Next": failed}]
    choice = {"Type": "Choice", "Choices": choices, "Default": following}
    return states.add(f"{name}: all well", choice)
