"""Any order of steps as the shortest structure of series and parallels that keeps it.

A state machine has no DAG: states follow each other, or run beside each other until all have
ended. An order that holds an N (a before c, b before c and d, nothing else) has no such structure;
there some steps must wait for more than they need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from typing_extensions import TypeAlias

    from airflow_ml_provider.plan.nodes import Block


@dataclass(frozen=True)
class Series:
    """One after the other."""

    parts: tuple[Structure, ...]


@dataclass(frozen=True)
class Parallel:
    """Beside each other; it ends when all have ended."""

    parts: tuple[Structure, ...]


Structure: TypeAlias = "str | Series | Parallel"


def structure(after: Mapping[str, Collection[str]]) -> Structure:
    """Give the structure of a DAG: ``after`` maps each name to those that must end before it.

    It is exact where that is possible. Elsewhere the critical path, counted in steps, is still the
    shortest there is, and of the orders that must be invented for it few are.
    """
    names = list(after)
    before = _ancestors(names, after)
    behind = [0] * len(names)
    for one, mask in enumerate(before):
        for other in _bits(mask):
            behind[other] |= 1 << one
    return _Splitter(names, before, behind).split((1 << len(names)) - 1)


def names_of(part: Structure) -> Iterator[str]:
    """Every name in a structure, from its first to its last."""
    if isinstance(part, str):
        yield part
    else:
        for inner in part.parts:
            yield from names_of(inner)


def effective_order(block: Block) -> dict[str, set[str]]:
    """Map each node of a block to all that end before it in the state machine."""
    return waits(structure({node.name: node.after for node in block})) if block else {}


def waits(part: Structure) -> dict[str, set[str]]:
    """Map each name to all that the structure lets end before it."""
    found: dict[str, set[str]] = {}
    _collect_waits(part, set(), found)
    return found


def all_before(after: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Map each name of a DAG to all that must end before it, directly or not."""
    names = list(after)
    masks = zip(names, _ancestors(names, after), strict=True)
    return {name: {names[one] for one in _bits(mask)} for name, mask in masks}


def _collect_waits(part: Structure, before: set[str], found: dict[str, set[str]]) -> None:
    if isinstance(part, str):
        found[part] = before
    else:
        for inner in part.parts:
            _collect_waits(inner, before, found)
            if isinstance(part, Series):
                before = before | set(names_of(inner))


def _ancestors(names: list[str], after: Mapping[str, Collection[str]]) -> list[int]:
    position = {name: number for number, name in enumerate(names)}
    before: dict[str, int] = {}
    for name in names:
        pending = [name]
        while pending:
            last = pending[-1]
            missing = [other for other in after[last] if other not in before]
            if missing:
                pending += missing
                continue
            mask = 0
            for other in after[last]:
                mask |= before[other] | 1 << position[other]
            before[last] = mask
            pending.pop()
    return [before[name] for name in names]


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class _Splitter:
    """The order as bit sets: bit i of ``before[j]`` says that i must end before j."""

    def __init__(self, names: list[str], before: list[int], behind: list[int]) -> None:
        self.names = names
        self.before = before
        self.behind = behind

    def split(self, nodes: int) -> Structure:
        """Give the structure of some of the nodes."""
        if nodes & (nodes - 1) == 0:
            return self.names[nodes.bit_length() - 1]
        related = {one: (self.before[one] | self.behind[one]) & nodes for one in _bits(nodes)}
        parts = _components(nodes, related)
        if len(parts) > 1:
            return Parallel(tuple(self.split(part) for part in parts))
        unrelated = {one: nodes & ~mask & ~(1 << one) for one, mask in related.items()}
        parts = _components(nodes, unrelated)
        if len(parts) == 1:
            first = self._barrier(nodes)
            parts = [first, nodes & ~first]
        # Of two parts of a series, all nodes of one are behind all nodes of the other.
        parts.sort(key=lambda part: (self.before[next(_bits(part))] & nodes & ~part).bit_count())
        return _series(self.split(part) for part in parts)

    def _barrier(self, nodes: int) -> int:
        """Choose the nodes that all others shall wait for: the cheapest of a few candidates."""
        depth_masks = self._levels(nodes, self.before)
        height_masks = self._levels(nodes, self.behind)
        candidates: dict[int, None] = {}
        below = 0
        for mask in depth_masks:
            below |= mask
            candidates[below] = None
        for one in _bits(nodes):
            candidates[self.before[one] & nodes | 1 << one] = None
            candidates[nodes & ~(self.behind[one] | 1 << one)] = None
        candidates.pop(nodes, None)
        candidates.pop(0, None)

        def length(first: int) -> int:
            # In a set that holds all that is before its nodes, depths are those of the whole.
            rest = nodes & ~first
            return _highest(depth_masks, first) + _highest(height_masks, rest)

        lengths = {first: length(first) for first in candidates}
        shortest = min(lengths.values())

        def invented(first: int) -> int:
            rest = nodes & ~first
            return sum((rest & ~self.behind[one]).bit_count() for one in _bits(first))

        return min(
            (first for first in candidates if lengths[first] == shortest),
            key=lambda first: (invented(first), first),
        )

    def _levels(self, nodes: int, towards: list[int]) -> list[int]:
        """Group the nodes by the length of the longest path that ends in them."""
        levels: list[int] = []
        left = nodes
        while left:
            level = sum(1 << one for one in _bits(left) if not towards[one] & left)
            levels.append(level)
            left &= ~level
        return levels


def _highest(levels: list[int], nodes: int) -> int:
    return max(number for number, level in enumerate(levels, 1) if level & nodes)


def _components(nodes: int, neighbours: Mapping[int, int]) -> list[int]:
    found = []
    while nodes:
        part = frontier = nodes & -nodes
        while frontier:
            reached = 0
            for one in _bits(frontier):
                reached |= neighbours[one]
            frontier = reached & nodes & ~part
            part |= frontier
        found.append(part)
        nodes &= ~part
    return found


def _series(parts: Iterator[Structure]) -> Series:
    flat: list[Structure] = []
    for part in parts:
        flat += part.parts if isinstance(part, Series) else (part,)
    return Series(tuple(flat))
