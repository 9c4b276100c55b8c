from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import (
    AwsCall,
    Choice,
    Item,
    Map,
    Output,
    Parameter,
    Pipeline,
    PipelineError,
    RemoteJob,
)

YES = Parameter("x", 1) > 0


def job(name, *held, **options):
    request = {"JobName": "j", "Arguments": {"--x": list(held)}}
    return RemoteJob(name, kind="glue", request=request, outputs=("o",), **options)


def pipeline(*steps):
    return Pipeline("p", steps, root="s3://lake")


def problems(*steps):
    with pytest.raises(PipelineError) as caught:
        pipeline(*steps)
    return caught.value.problems


def test_after_is_order_alone():
    first = job("first")
    made = pipeline(first, job("second", after=[first]), job("third", first["o"], after=first))
    assert made.needs == {"first": set(), "second": {"first"}, "third": {"first"}}


def test_after_names_neighbours():
    inside, outside = job("inside"), job("outside")
    gate = Choice("gate", YES, then=[inside])
    assert problems(outside, gate, job("tail", after=[inside, job("gone")])) == (
        (
            "step 'tail': after: 'inside' lies in 'gate.then', this step in no block; "
            "name its neighbours"
        ),
        "step 'tail': after: 'gone' is no step of the pipeline",
    )
    deep = Choice("gate", YES, then=[job("inside", after=outside)])
    assert "'outside' lies in no block, this step in 'gate.then'" in problems(outside, deep)[0]


def test_a_circle_by_after_is_named():
    a = AwsCall("a", "sns", "publish", after=[AwsCall("b", "sns", "publish")])
    b = AwsCall("b", "sns", "publish", after=[a])
    assert problems(a, b)[-1].startswith("steps: they wait for each other: ")


def test_a_job_may_name_its_own_outputs():
    assert pipeline(job("a", Output("a", "o"))).needs == {"a": set()}
    assert "steps: they wait for each other: a -> a" in problems(job("a", job("a").field("x")))[0]


def test_a_fallback_refers_to_what_its_step_may_refer_to():
    before = job("before")
    main = job("main", fallback=[job("rescue", before["o"])])
    made = pipeline(before, main, job("tail", after=main))
    assert made.needs["main"] == {"before"}
    assert made.needs["tail"] == {"main"}
    assert [step.name for step in made.all_steps()] == ["before", "main", "rescue", "tail"]
    own = job("main", fallback=[job("rescue", main["o"])])
    assert problems(own) == (
        "step 'rescue': it refers to 'main', which failed when its fallback runs",
    )


def test_nobody_refers_to_the_data_of_a_step_with_a_fallback():
    main = job("main", fallback=[job("rescue")])
    assert problems(main, job("tail", main["o"])) == (
        (
            "step 'tail': it refers to 'main', whose data may be missing since it has a fallback; "
            "drop the fallback or wait for it by after=..."
        ),
    )
    assert problems(main, job("tail", main.fallback[0]["o"])) == (
        (
            "step 'tail': it refers to 'rescue' inside 'main.fallback', which may not run; "
            "move one of them"
        ),
    )


def test_what_lies_in_a_map_stays_there():
    inside = job("inside", Item("m"))
    assert pipeline(Map("m", [1], [inside, job("more", inside["o"])]))
    assert problems(Map("m", [1], [inside]), job("tail", inside["o"])) == (
        (
            "step 'tail': it refers to 'inside' inside 'm.body', which runs once an item; "
            "move one of them"
        ),
    )


def test_maps_are_not_nested():
    gate = Choice("gate", YES, then=[Map("inner", [1], [job("a")])])
    assert problems(Map("outer", [1], [gate])) == (
        (
            "step 'inner': it lies inside 'outer.body'; maps may not be nested: "
            "give one map all items"
        ),
    )


@pytest.mark.parametrize("items", [[{"a": {"b": 1}}, {"a": 2}], Parameter("n", [{"a": 1}])])
def test_an_item_has_what_is_asked_of_it(items):
    (problem,) = problems(Map("m", items, [job("inside", Item("m", ("a", "b")))]))
    assert problem.startswith("step 'inside': it uses 'a.b' of item ")
    assert pipeline(Map("m", items, [job("inside", Item("m", ("a",)))]))


def test_an_item_is_of_the_map_around():
    assert problems(Map("m", [1], [job("a")]), job("b", Item("m"), Item("b"))) == (
        "step 'b': it uses an item of 'm' outside of its body; move it there",
        "step 'b': it uses an item of 'b', which is no Map of the pipeline",
    )
