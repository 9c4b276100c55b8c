"""The steps that a plan needs on SageMaker Pipelines, before their requests are spelled."""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.plan.nodes import Choice, Map, all_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from typing_extensions import TypeAlias

    from airflow_ml_provider.plan.nodes import Block, Node, Plan

MAX_NAME = 64
"""Of a step: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_PipelineExecutionStep.html"""

MAX_COPIES = 8
"""Of one step: three decisions in a row that are followed by the same work double it three times.

More of it nobody can read in a graph, and a mean pipeline needs 1.4.
"""


class TooManyCopiesError(Exception):
    """A step would stand in the definition more often than ``MAX_COPIES``."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


@dataclass(frozen=True)
class MapItem:
    """The item that an unrolled copy stands for; ``steps`` are those of the map's body."""

    index: int
    value: Any
    steps: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One step: ``name`` is its own, ``label`` the one it had before it was copied.

    It starts when all of ``after`` have ended well and ``failed`` has failed. ``names`` maps the
    steps of the plan that its node refers to, where they are called otherwise.
    """

    name: str
    label: str
    node: Node
    after: tuple[str, ...] = ()
    failed: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    item: MapItem | None = None
    then: Units = ()
    otherwise: Units = ()
    fallback: Units = ()


Units: TypeAlias = "tuple[Unit, ...]"


class Names:
    """Step names, each given away once, and how often each step was copied."""

    def __init__(self, plan: Plan) -> None:
        self._taken = {node.name for node in plan.all_nodes()}
        self._copies: Counter[str] = Counter()

    def new(self, name: str, suffix: str) -> str:
        """Give a free name: the old one with a suffix, and a number where that is taken."""
        number, wanted = 1, suffix
        while (found := f"{name[: MAX_NAME - len(wanted)]}{wanted}") in self._taken:
            number += 1
            wanted = f"{suffix}-{number}"
        self._taken.add(found)
        return found

    def count(self, unit: Unit) -> None:
        """Count one more copy of a step.

        :raises TooManyCopiesError: there are too many.
        """
        self._copies[unit.label] += 1
        if self._copies[unit.label] >= MAX_COPIES:
            raise TooManyCopiesError(unit.node.name)


def units(plan: Plan, names: Names) -> Units:
    """Give the steps of a plan, maps unrolled, in an order in which they may run."""
    return _block(plan.nodes, names, {}, None, ())


def all_units(block: Iterable[Unit]) -> Iterator[Unit]:
    """Every step of a block and of the blocks in it."""
    for unit in block:
        yield unit
        for inner in (unit.then, unit.otherwise, unit.fallback):
            yield from all_units(inner)


def ends(block: Units) -> tuple[str, ...]:
    """Name the steps of a block that no other step of it follows."""
    followed = {name for unit in block for name in (*unit.after, unit.failed)}
    return tuple(unit.name for unit in block if unit.name not in followed)


def followers(block: Sequence[Unit], names: Iterable[str]) -> set[str]:
    """Name the steps of a block, given in order, that follow one of ``names``, far or near."""
    reached, found = set(names), set[str]()
    for unit in block:
        if reached.intersection((*unit.after, unit.failed)):
            reached.add(unit.name)
            found.add(unit.name)
    return found


def copied(block: Units, suffix: str, names: Names, *, count: bool) -> Units:
    """Copy steps under new names, which they also use for each other."""
    table = {unit.name: names.new(unit.name, suffix) for unit in all_units(block)}
    if count:
        for unit in all_units(block):
            names.count(unit)
    return tuple(_renamed(unit, table) for unit in block)


def _block(
    block: Block,
    names: Names,
    table: Mapping[str, str],
    item: MapItem | None,
    before: tuple[str, ...],
) -> Units:
    made: list[Unit] = []
    last: dict[str, tuple[str, ...]] = {}
    for node in _ordered(block):
        after = tuple(dict.fromkeys(name for other in node.after for name in last[other])) or before
        if isinstance(node, Map):
            copies = [
                copy
                for index, value in enumerate(node.items if isinstance(node.items, tuple) else ())
                for copy in _unrolled(node, index, value, names, after)
            ]
            made += copies
            last[node.name] = ends(tuple(copies)) or after
            continue
        name = table.get(node.name, node.name)
        choice = node if isinstance(node, Choice) else None
        made.append(
            Unit(
                name=name,
                label=name,
                node=node,
                after=after,
                names=table,
                item=item,
                then=_block(choice.then, names, table, item, ()) if choice else (),
                otherwise=_block(choice.otherwise, names, table, item, ()) if choice else (),
                fallback=_block(getattr(node, "fallback", ()), names, table, item, ()),
            )
        )
        last[node.name] = (name,)
    return tuple(made)


def _unrolled(node: Map, index: int, value: Any, names: Names, after: tuple[str, ...]) -> Units:
    steps = [inner.name for inner in all_nodes(node.body)]
    table = {name: names.new(name, f"-{index}") for name in steps}
    return _block(node.body, names, table, MapItem(index, value, frozenset(steps)), after)


def _ordered(block: Block) -> list[Node]:
    pending, done, order = list(block), set[str](), list[Any]()
    while pending:
        node = next(node for node in pending if done.issuperset(node.after))
        pending.remove(node)
        done.add(node.name)
        order.append(node)
    return order


def _renamed(unit: Unit, table: Mapping[str, str]) -> Unit:
    known = {step: table.get(name, name) for step, name in unit.names.items()}
    return replace(
        unit,
        name=table[unit.name],
        after=tuple(table.get(name, name) for name in unit.after),
        failed=table.get(unit.failed, unit.failed),
        names={**table, **known},
        then=tuple(_renamed(inner, table) for inner in unit.then),
        otherwise=tuple(_renamed(inner, table) for inner in unit.otherwise),
        fallback=tuple(_renamed(inner, table) for inner in unit.fallback),
    )
