from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.targets.step_functions.order import (
    Parallel,
    Series,
    all_before,
    effective_order,
    names_of,
    structure,
    waits,
)


@st.composite
def orders(draw, most=12):
    """A DAG whose names are not in its own order."""
    size = draw(st.integers(1, most))
    names = draw(st.permutations([f"n{number}" for number in range(size)]))
    after = {
        name: draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        for place, name in enumerate(names)
    }
    return {name: after[name] for name in sorted(after)}


@st.composite
def series_parallel(draw):
    """A DAG that is series and parallels, by its transitive order."""
    count = iter(range(1000))

    def part(depth):
        kind = draw(st.sampled_from(("leaf", "series", "parallel"))) if depth else "leaf"
        if kind == "leaf":
            return {f"n{next(count)}": set()}
        after = {}
        for _ in range(draw(st.integers(2, 3))):
            before = set(after) if kind == "series" else set()
            after |= {name: needed | before for name, needed in part(depth - 1).items()}
        return after

    return part(3)


def longest(before):
    length = {}
    for name in sorted(before, key=lambda one: len(before[one])):
        length[name] = 1 + max((length[one] for one in before[name]), default=0)
    return max(length.values())


@given(orders())
def test_every_node_waits_for_what_it_must(after):
    found, asked = waits(structure(after)), all_before(after)
    assert found.keys() == after.keys()
    assert all(asked[name] <= found[name] for name in after)


@given(series_parallel())
def test_exact_where_that_is_possible(after):
    assert waits(structure(after)) == all_before(after) == after


@given(orders())
def test_the_critical_path_is_no_longer_than_it_must_be(after):
    assert longest(waits(structure(after))) == longest(all_before(after))


@given(orders())
def test_same_structure_every_time(after):
    assert structure(after) == structure(dict(after))


def test_an_n_gets_one_barrier():
    after = {"a": [], "b": [], "c": ["a", "b"], "d": ["b"]}
    assert structure(after) == Series((Parallel(("a", "b")), Parallel(("c", "d"))))


def test_the_cheapest_of_several_barriers():
    after = {"a": [], "b": [], "c": ["a"], "d": ["b"], "e": ["c"], "f": ["c", "d"]}
    # A barrier behind the first level would invent three orders, this one invents two.
    chains = Parallel((Series(("a", "c")), Series(("b", "d"))))
    assert structure(after) == Series((chains, Parallel(("e", "f"))))


def test_a_chain_is_one_series():
    after = {f"n{one}": [f"n{one - 1}"] if one else [] for one in range(300)}
    assert structure(after) == Series(tuple(after))


def test_names_in_their_order():
    assert list(names_of(structure({"b": ["a"], "a": []}))) == ["a", "b"]


def test_effective_order_of_blocks(send):
    block = (send("a", "q"), send("b", "q", ("a",)))
    assert effective_order(block) == {"a": set(), "b": {"a"}}
    assert effective_order(()) == {}


def test_two_hundred_nodes_take_no_second():
    draw = random.Random(7)
    for share in (0.01, 0.05):
        after = {
            f"n{one}": [f"n{other}" for other in range(one) if draw.random() < share]
            for one in range(200)
        }
        began = time.thread_time()
        structure(after)
        assert time.thread_time() - began < 1
