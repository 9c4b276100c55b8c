"""What runs and what does not: the plan's meaning against a walk through the machine's states."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_ml_provider.plan.nodes import Choice, Fail, Map
from airflow_ml_provider.targets.step_functions import document
from airflow_ml_provider.targets.step_functions.order import effective_order


class Plain:
    """The plan's meaning: a node starts when all before it have ended well."""

    def __init__(self, failing, chosen):
        self.failing, self.chosen, self.started = failing, chosen, []

    def block(self, nodes):
        """Whether all nodes of a block end well."""
        waits, well = effective_order(nodes), {}
        for node in sorted(nodes, key=lambda one: len(waits[one.name])):
            ready = all(well[name] for name in waits[node.name])
            well[node.name] = ready and self.node(node)
        return all(well.values())

    def node(self, node):
        if isinstance(node, Fail):
            return False
        if isinstance(node, Choice):
            return self.block(node.then if node.name in self.chosen else node.otherwise)
        if isinstance(node, Map):
            # Each item runs, whatever became of the others.
            items = [self.block(node.body) for _ in node.items]
            return all(items)
        self.started.append(node.name)
        return node.name not in self.failing or (bool(node.fallback) and self.block(node.fallback))


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
    plain, walk = Plain(failing, chosen), Walk(names, failing, chosen)
    assert walk.machine(document(plan)) == plain.block(plan.nodes)
    assert sorted(walk.started) == sorted(plain.started)
