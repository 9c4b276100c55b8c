"""What follows choices and fallbacks, and that a definition runs what its plan means."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from meaning import ends_well

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.values import Item, JobField, Output, Parameter, Text
from airflow_ml_provider.plan.nodes import Choice, Fail, Job, Map, Plan, all_nodes
from airflow_ml_provider.targets.sagemaker_pipelines import document, findings

WAYS = ("IfSteps", "ElseSteps")


def choice(name, *after, then=(), otherwise=()):
    return Choice(
        name=name, after=after, when=Parameter(name, 0) > 0, then=then, otherwise=otherwise
    )


def steps_of(steps, arm=()):
    """List (step, its arm) of a definition, those in arms too."""
    for step in steps:
        yield step, arm
        if step["Type"] == "Condition":
            for way in WAYS:
                yield from steps_of(step["Arguments"][way], (*arm, (step["Name"], way)))


def needs_of(step):
    """Name what a step waits for: (step, how it must have ended)."""
    for one in step.get("DependsOn", ()):
        yield (one, "well") if isinstance(one, str) else (one["Step"], "failed")
    arguments = step["Arguments"]
    for name in gets(arguments["Conditions"] if step["Type"] == "Condition" else arguments):
        if name.startswith("Steps."):
            yield name.split(".")[1], "well"


def gets(value):
    if isinstance(value, dict):
        yield from [value["Get"]] if "Get" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from gets(item)


def shape(steps):
    """Show names, needs and arms of steps."""
    shown = {}
    for step in steps:
        needs = [name if how == "well" else f"!{name}" for name, how in needs_of(step)]
        shown[step["Name"]] = (
            (needs, *(shape(step["Arguments"][way]) for way in WAYS))
            if step["Type"] == "Condition"
            else needs
        )
    return shown


def test_steps_follow_each_other(job, plan):
    a, b = job("a"), job("b", "a", request={"X": JobField("a", ("Y",))})
    made = plan(job("c", "a", "b"), b, a)
    steps = document(made)["Steps"]
    assert shape(steps) == {"a": [], "b": ["a"], "c": ["a", "b"]}
    assert "DependsOn" not in steps[1]


def test_what_follows_a_choice_stands_in_both_arms(job, plan):
    follower = job("tell", "gate", request={"X": Output("tell", "o"), "Y": JobField("z", ("Q",))})
    gate = choice("gate", "z", then=(job("a"), job("b", "a"), job("c")))
    after = job("last", "tell", request={"X": JobField("tell", ("Z",))})
    made = plan(job("z"), gate, follower, after)
    steps = document(made)["Steps"]
    assert shape(steps) == {
        "z": [],
        "gate": (
            ["z"],
            {
                "a": [],
                "b": ["a"],
                "c": [],
                "tell-then": ["b", "c", "z"],
                "last-then": ["tell-then"],
            },
            {"tell-else": ["z"], "last-else": ["tell-else"]},
        ),
    }
    inner = steps[1]["Arguments"]["ElseSteps"][0]
    assert inner["DisplayName"] == "tell"
    assert inner["Arguments"]["X"]["Std:Join"]["Values"][-1] == "/tell/o/"
    assert [(one.feature, one.verdict) for one in findings(made) if one.step == "tell"] == [
        ("sagemaker_processing job", "kept"),
        ("rejoin", "lowered"),
    ]


def test_nothing_follows_an_arm_that_fails(job, plan):
    gate = choice("gate", then=(job("a"),), otherwise=(Fail(name="stop", message="no"),))
    made = plan(gate, job("b", "gate"))
    steps = document(made)["Steps"]
    assert shape(steps) == {"gate": ([], {"a": [], "b": ["a"]}, {"stop": []})}
    assert "DisplayName" not in steps[0]["Arguments"]["IfSteps"][1]
    rejoin = next(one for one in findings(made) if one.feature == "rejoin")
    assert rejoin.verdict == "kept"


def test_nothing_follows_a_failed_run(job, plan):
    stop = Fail(name="stop", message="no")
    both = choice("gate", then=(stop,), otherwise=(Fail(name="end", message="no"),))
    steps = document(plan(both, job("a", "gate")))["Steps"]
    assert shape(steps) == {"gate": ([], {"stop": []}, {"end": []})}
    assert shape(document(plan(stop, job("a", "stop"), job("b", "a")))["Steps"]) == {"stop": []}


def test_of_two_choices_one_stands_in_the_other(job, plan):
    made = plan(
        choice("one", then=(job("a"),)),
        job("between", "one"),
        choice("two", then=(job("b"),)),
        job("own", "two"),
        job("both", "one", "two"),
    )
    steps = document(made)["Steps"]
    two = {"own-then-then": ["b-then"], "both-then-then": ["a", "b-then"]}
    assert shape(steps)["one"][1]["two-then"][1] == {"b-then": [], **two}
    assert [(one.step, one.verdict) for one in findings(made) if one.feature == "order"] == [
        ("own", "lowered"),
        ("two", "lowered"),
    ]


def test_what_follows_a_fallback_stands_twice(job, plan):
    risky = job("risky", "a", fallback=(job("small"), job("more", "small")))
    made = plan(job("a"), risky, job("b", "a", "risky"), job("c", "b"))
    assert shape(document(made)["Steps"]) == {
        "a": [],
        "risky": ["a"],
        "b": ["a", "risky"],
        "c": ["b"],
        "small": ["!risky"],
        "more": ["small"],
        "b-fallback": ["a", "more"],
        "c-fallback": ["b-fallback"],
    }


def test_nothing_follows_a_fallback_that_fails(job, plan):
    risky = job("risky", fallback=(Fail(name="stop", message="no"),))
    made = plan(risky, job("b", "risky"))
    assert shape(document(made)["Steps"]) == {"risky": [], "b": ["risky"], "stop": ["!risky"]}


def test_a_map_is_unrolled(job, plan):
    body = (
        job("one", request={"X": Item("m", ("k",)), "Y": Output("one", "o")}),
        job("two", "one", request={"X": JobField("one", ("Z",)), "Y": Output("a", "o")}),
    )
    made = plan(
        job("a"),
        Map(name="m", after=("a",), items=({"k": 1}, {"k": 2}), body=body),
        job("one-1", "m"),
    )
    steps = document(made)["Steps"]
    # A name that is taken gets a number.
    assert shape(steps) == {
        "a": [],
        "one-0": ["a"],
        "two-0": ["one-0"],
        "one-1-2": ["a"],
        "two-1": ["one-1-2"],
        "one-1": ["two-0", "two-1"],
    }
    assert [step["Arguments"].get("X") for step in steps[1:4:2]] == [1, 2]
    assert steps[3]["Arguments"]["Y"]["Std:Join"]["Values"][-1] == "/one/1/o/"
    assert steps[4]["Arguments"]["Y"]["Std:Join"]["Values"][-1] == "/a/o/"


def test_a_map_over_nothing(job, plan):
    made = plan(job("a"), Map(name="m", after=("a",), items=(), body=(job("b"),)), job("c", "m"))
    assert shape(document(made)["Steps"]) == {"a": [], "c": ["a"]}


def test_names_are_cut(job, plan):
    name = "x" * 63
    gate = choice("gate", then=(job("a"),), otherwise=(job("b"),))
    steps = document(plan(gate, job(name, "gate")))["Steps"][0]["Arguments"]
    assert [step["Name"] for step in steps["IfSteps"]] == ["a", f"{'x' * 59}-then"]


@pytest.mark.parametrize("count", [3, 4])
def test_copies_are_capped(job, plan, count):
    gates = [
        choice(f"g{n}", *([f"g{n - 1}"] if n else []), then=(job(f"a{n}"),)) for n in range(count)
    ]
    made = plan(*gates, job("last", f"g{count - 1}"))
    if count == 3:
        assert "there 8 times" in next(
            one.how for one in findings(made) if (one.step, one.feature) == ("last", "rejoin")
        )
        return
    with pytest.raises(PipelineError, match=r"step 'last': rejoin: not on sagemaker: .* 8 times"):
        document(made)


class Drawn:
    """Draws blocks whose names are unique."""

    def __init__(self, draw):
        self.draw = draw
        self.count = 0

    def name(self):
        self.count += 1
        return f"n{self.count}"

    def block(self, depth, *, maps=True):
        nodes = []
        for _ in range(self.draw(st.integers(1, 4 if depth else 2))):
            others = [node.name for node in nodes]
            after = tuple(sorted(self.draw(st.sets(st.sampled_from(others))))) if others else ()
            nodes.append(self.node(after, nodes, depth, maps=maps))
        # The compiler finds an order by itself.
        return tuple(self.draw(st.permutations(nodes)))

    def node(self, after, before, depth, *, maps):
        kinds = ["job"] * 4 + (["choice", "fallback"] * 2 + ["map"] * maps if depth else ["fail"])
        kind = self.draw(st.sampled_from(kinds))
        name = self.name()
        if kind == "choice":
            arms = [self.block(depth - 1, maps=maps), ()]
            if self.draw(st.booleans()):
                arms[1] = self.block(depth - 1, maps=maps)
            return choice(name, *after, then=arms[0], otherwise=arms[1])
        if kind == "map":
            items = tuple(range(self.draw(st.integers(1, 2))))
            return Map(name=name, after=after, items=items, body=self.block(depth - 1, maps=False))
        if kind == "fail":
            return Fail(name=name, after=after, message="no")
        fallback = self.block(depth - 1, maps=maps) if kind == "fallback" else ()
        sources = [
            node.name
            for node in before
            if node.name in after and isinstance(node, Job) and not node.fallback
        ]
        return Job(
            name=name,
            after=after,
            kind="sagemaker_processing",
            request={
                "From": [JobField(source, ("A",)) for source in sources],
                "To": Output(name, "out"),
            },
            retry=(),
            timeout_seconds=60,
            fallback=fallback,
        )


@st.composite
def plans(draw):
    nodes = Drawn(draw).block(2)
    made = Plan(
        name="p",
        root="s3://b/r",
        folder=Path(),
        keyed_by="execution",
        parameters=(),
        nodes=nodes,
    )
    names = [node.name for node in made.all_nodes()]
    broken = draw(st.sets(st.sampled_from(names), max_size=3))
    return made, broken, {name: draw(st.booleans()) for name in names}


def meant(block, broken, decisions):
    """List what a plan means to run; an item's index follows the name."""
    ran = []

    def does(node, index):
        ran.append(node.name if index is None else f"{node.name}-{index}")
        return node.name not in broken and not isinstance(node, Fail)

    def arm(node, _index):
        return node.then if decisions[node.name] else node.otherwise

    ends_well(block, does, arm)
    return ran


def executed(definition, broken, decisions):
    """Run a definition as the service does: the labels of what ran."""
    steps = list(steps_of(definition["Steps"]))
    ended, ran, going = {}, [], True
    while going:
        going = False
        for step, arm in steps:
            name, label = step["Name"], step.get("DisplayName", step["Name"])
            here = all(ended.get(condition) == way for condition, way in arm)
            if name in ended or not here:
                continue
            if any(
                ended.get(other) is None or (how == "well") != (ended[other] != "failed")
                for other, how in needs_of(step)
            ):
                continue
            going = True
            plain = label.split("-")[0]
            if step["Type"] == "Condition":
                ended[name] = WAYS[not decisions[plain]]
                continue
            ran.append(label)
            failed = step["Type"] == "Fail" or plain in broken
            ended[name] = "failed" if failed else "well"
    return ran


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(plans())
def test_a_definition_runs_what_its_plan_means(drawn):
    made, broken, decisions = drawn
    found = findings(made)
    if any(one.verdict == "refused" for one in found):
        assert {one.feature for one in found if one.verdict == "refused"} == {"rejoin"}
        return
    definition = document(made)
    steps = [step for step, _ in steps_of(definition["Steps"])]
    names = [step["Name"] for step in steps]
    assert len(names) == len(set(names))
    places = {step["Name"]: dict(arm) for step, arm in steps_of(definition["Steps"])}
    for step in steps:
        for other, _ in needs_of(step):
            # It lies in the same arms or outside of them, and is no condition.
            assert places[other].items() <= places[step["Name"]].items()
            assert next(one for one in steps if one["Name"] == other)["Type"] != "Condition"
    ran = executed(definition, broken, decisions)
    assert len(ran) == len(set(ran))
    wanted = meant(made.nodes, broken, decisions)
    if any(one.feature == "order" for one in found) and len(ran) < len(wanted):
        assert set(ran) < set(wanted)
        assert broken or any(isinstance(node, Fail) for node in all_nodes(made.nodes))
    else:
        assert sorted(ran) == sorted(wanted)


def test_text_holds_names_of_copies(job, plan):
    made = plan(
        choice("gate", then=(job("a"),)),
        job("b", "gate"),
        job("c", "b", request={"X": Text.of("-", JobField("b", ("Y",)))}),
    )
    arms = document(made)["Steps"][0]["Arguments"]
    values = arms["ElseSteps"][1]["Arguments"]["X"]["Std:Join"]["Values"]
    assert values == ["-", {"Get": "Steps.b-else.Y"}]
