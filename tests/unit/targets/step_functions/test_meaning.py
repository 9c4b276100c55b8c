"""What runs and what does not: the plan's meaning against a walk through the machine's states."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from meaning import ends_well

from airflow_ml_provider.plan.nodes import Fail
from airflow_ml_provider.targets.step_functions import document
from airflow_ml_provider.targets.step_functions.order import effective_order


class Walk:
    """A walk through the states that looks at no data but the failures of branches and items."""

    def __init__(self, steps, failing, chosen):
        self.steps, self.failing, self.chosen, self.started = steps, failing, chosen, []

    def machine(self, machine):
        """Whether it ends without a failure, which in a branch is its last state."""
        name, failed = machine["StartAt"], False
        while True:
            state = machine["States"][name]
            following = state.get("Next")
            if state["Type"] == "Fail":
                return False
            if state["Type"] == "Choice":
                following = self.choice(name, state, failed)
            elif state["Type"] == "Parallel":
                branches = [self.machine(one) for one in state["Branches"]]
                failed = not all(branches)
            elif state["Type"] == "Map":
                items = [self.machine(state["ItemProcessor"]) for _ in range(2)]
                failed = not all(items)
            elif state["Type"] == "Task" and name in self.steps:
                self.started.append(name)
                if name in self.failing:
                    if "Catch" not in state:
                        return False
                    following = state["Catch"][0]["Next"]
            if following is None:
                return "failure.$" not in state.get("Parameters", {})
            name = following

    def choice(self, name, state, failed):
        first = state["Choices"][0]
        if first.get("Variable") == "$.joined.failures[0]":
            taken = failed
        elif name in self.steps:
            taken = name in self.chosen
        else:
            # Metrics are there, and there is no interval.
            taken = name.endswith("metrics there")
        return first["Next"] if taken else state["Default"]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_machine_means_what_the_plan_means(data, blocks, plan_of):
    plan = plan_of(*data.draw(blocks))
    names = sorted(node.name for node in plan.all_nodes())
    failing, chosen = (set(data.draw(st.lists(st.sampled_from(names)))) for _ in range(2))
    started = []

    def does(node, _index):
        if isinstance(node, Fail):
            return False
        started.append(node.name)
        return node.name not in failing

    def arm(node, _index):
        return node.then if node.name in chosen else node.otherwise

    walk = Walk(names, failing, chosen)
    meant = ends_well(plan.nodes, does, arm, order=effective_order)
    assert walk.machine(document(plan)) == meant
    assert sorted(walk.started) == sorted(started)
