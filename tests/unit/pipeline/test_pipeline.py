from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import (
    Choice,
    Dataset,
    EmrServerless,
    Evaluation,
    Metric,
    Notify,
    Output,
    Parameter,
    Pipeline,
    PipelineError,
    Processing,
    Report,
    Retry,
    Run,
    SparkTransform,
    SqlExtract,
    Training,
)

ROWS = SqlExtract("rows", conn_id="db", table="flights")


def problems(*steps, **options):
    with pytest.raises(PipelineError) as caught:
        Pipeline(**{"name": "p", "root": "s3://lake/ml", "steps": steps or [ROWS], **options})
    return caught.value.problems


def test_a_good_pipeline(pipeline):
    assert [step.name for step in pipeline.all_steps()] == [
        "flights",
        "daily",
        "features",
        "train",
        "evaluate",
        "good_enough",
        "register",
        "tell_team",
    ]
    assert pipeline.parameters == (Parameter("max_depth", 6),)


@pytest.mark.parametrize(
    "root",
    ["s3:/lake", "lake/ml", "s3://", "s3:///x", "s3://lake//x", "s3://lake/a b", "http://x"],
)
def test_malformed_roots(root):
    (problem,) = problems(root=root)
    assert problem == f"root: {root!r} is no S3 prefix; write s3://<bucket>/<prefix>"


@pytest.mark.parametrize("bucket", ["ab", "a" * 64, "UPPER", "a b", "my_lake", "-lake", "lake."])
def test_buckets_that_no_account_can_have(bucket):
    rule = (
        f"its bucket {bucket!r} must be 3 to 63 lower-case letters, digits, dots or hyphens, "
        "the first and the last one a letter or digit"
    )
    uri = f"s3://{bucket}/ml"
    assert problems(root=uri) == (f"root: {uri!r} is no S3 prefix; {rule}",)
    step = Processing("a", script=__file__, image_uri="i", inputs={"rows": uri})
    assert problems(step) == (f"step 'a': inputs: 'rows' is {uri!r}; {rule}",)


@pytest.mark.parametrize("root", ["s3://lake", "s3://lake/", "s3://my.lake-1/a/b=c/", None])
def test_good_roots(root):
    assert Pipeline("p", steps=[ROWS], root=root).root == root


def test_options_of_the_pipeline():
    found = problems(name="1 x", keyed_by="day", on_empty="panic", steps=[])
    assert len(found) == 4
    assert found[0].startswith("name: '1 x' must be a letter")
    assert "keyed_by: 'day' must be 'interval' or 'execution'" in found
    assert "on_empty: 'panic' must be 'fail', 'skip' or 'continue'" in found
    assert "steps: none; a pipeline needs at least one step" in found


def test_duplicate_names_are_found_inside_arms_too():
    gate = Choice("gate", Parameter("x", 1) > 0, then=[ROWS])
    assert problems(ROWS, gate) == ("step 'rows': 2 steps have this name; give each its own",)


def test_all_problems_come_at_once(folder):
    bad = Processing("bad step", script="jobs/gone.py", inputs={"a b": "lake"}, timeout_seconds=0)
    found = problems(bad, SqlExtract("q", conn_id=""), folder=folder)
    assert [problem.split(":")[0] for problem in found] == ["step 'bad step'"] * 6 + [
        "step 'q'"
    ] * 2
    text = "\n".join(found)
    for words in (
        "name: 'bad step' must be",
        "image_uri: missing; give Processing(image_uri=...)",
        "timeout_seconds: 0 must be above 0",
        "gone.py' does not exist",
        "the name 'a b' must be",
        "'a b' is 'lake'; give s3://<bucket>/<key>",
        "conn_id: '' is no id of an Airflow connection",
        "query: give either query= or table=",
    ):
        assert words in text


def test_a_missing_script_is_named_once():
    assert problems(Processing("p", image_uri="i")) == (
        "step 'p': script: missing; give Processing(script=...)",
    )


def test_files_of_the_definition(folder):
    relative = SparkTransform("s", script="jobs/daily.py", modules=("jobs/none.py",))
    found = problems(relative, SqlExtract("q", conn_id="db", query="none.sql"), folder=folder)
    assert [problem.split(":")[1] for problem in found] == [" modules", " query"]
    assert "is relative; give Pipeline(folder=Path(__file__).parent)" in problems(relative)[0]
    absolute = SparkTransform("s", script=str(folder / "jobs/daily.py"))
    assert Pipeline("p", root="s3://lake", steps=[absolute])


def test_references_are_checked():
    found = problems(
        ROWS,
        SqlExtract("a", conn_id="db", query="select :x", parameters={"x": Output("gone", "o")}),
        SqlExtract("b", conn_id="db", query="select :x", parameters={"x": ROWS["other"]}),
        SqlExtract(
            "c", conn_id="db", query="select :x", parameters={"x": Metric("rows", ("auc",))}
        ),
        SqlExtract("d", conn_id="db", query="select :x", parameters={"x": ROWS.field("Arn")}),
    )
    assert found == (
        "step 'a': it refers to the unknown step 'gone'; the pipeline has a, b, c, d, rows",
        "step 'b': it refers to the output 'other' of 'rows', which has output",
        "step 'c': it refers to a metric of 'rows', which has no report; give report=Report(...)",
        "step 'd': it refers to a job's field of 'rows', which is a SqlExtract",
    )


def test_what_lies_in_an_arm_stays_there():
    inside = SqlExtract("inside", conn_id="db", table="t")
    beside = SqlExtract("beside", conn_id="db", query="select :x", parameters={"x": inside.output})
    gate = Choice("gate", Parameter("x", 1) > 0, then=[inside, beside])
    assert Pipeline("p", root="s3://lake", steps=[gate])
    after = SqlExtract("after", conn_id="db", query="select :x", parameters={"x": inside.output})
    (problem,) = problems(gate, after)
    assert problem == (
        "step 'after': it refers to 'inside' inside 'gate.then', which may not run; "
        "move one of them"
    )
    other = Choice("gate", Parameter("x", 1) > 0, then=[inside], otherwise=[after])
    assert "inside 'gate.then'" in problems(other)[0]


def test_circles_are_named():
    first = SqlExtract(
        "first", conn_id="d", query="select :x", parameters={"x": Output("second", "output")}
    )
    second = SqlExtract("second", conn_id="d", query="select :x", parameters={"x": first.output})
    (problem,) = problems(first, second)
    assert problem.startswith("steps: they wait for each other: ")
    assert "first -> second -> first" in problem or "second -> first -> second" in problem


def test_parameters_have_one_default_and_a_good_name():
    step = SqlExtract(
        "a",
        conn_id="d",
        query="select :x, :y",
        parameters={"x": Parameter("n", 1), "y": Parameter("n", 2)},
    )
    assert problems(step) == ("parameter 'n': it has several defaults (1, 2); give it one",)
    bad = SqlExtract("a", conn_id="d", query="select :x", parameters={"x": Parameter("a-b", 1)})
    assert problems(bad) == ("parameter 'a-b': the name must be a Python identifier",)


def test_outputs_and_reports(folder):
    step = Processing(
        "p",
        script="jobs/features.py",
        image_uri="i",
        outputs=("a/b", "c", "c"),
        report=Report("gone", "r.json"),
    )
    assert problems(step, folder=folder) == (
        "step 'p': outputs: 'a/b' must be letters, digits, - or _",
        "step 'p': outputs: 'c' is there 2 times",
        "step 'p': report: 'gone' is none of its outputs ['a/b', 'c', 'c']",
    )


def test_an_evaluation_is_of_a_known_problem(folder):
    step = Evaluation(
        "e", script="jobs/evaluate.py", image_uri="i", model="m", data="d", problem="ranking"
    )
    assert problems(step, folder=folder) == (
        (
            "step 'e': problem: 'ranking' is none of "
            "binary_classification, multiclass_classification, regression"
        ),
    )


def test_an_option_is_given_once(folder):
    step = SparkTransform(
        "s", script="jobs/daily.py", inputs={"x": "s3://lake/x"}, arguments={"x": 1, "output": 2}
    )
    assert problems(step, folder=folder) == (
        "step 's': arguments: --x is given 2 times, by inputs, outputs or arguments",
        "step 's': arguments: --output is given 2 times, by inputs, outputs or arguments",
    )


def test_a_step_is_no_input(folder):
    step = Training("t", script="jobs/train.py", image_uri="i", inputs={"train": ROWS})
    assert "is the step 'rows'; refer to its output" in problems(ROWS, step, folder=folder)[0]


def test_conditions_are_checked():
    metric = Metric("rows", ("x",))
    gate = Choice("gate", (Parameter("x", 1) > "high") & (Parameter("x", 1) > True))
    assert problems(ROWS, gate) == (
        "step 'gate': then: neither then nor otherwise holds a step",
        "step 'gate': when: 'high' is neither a number, a metric nor a parameter",
        "step 'gate': when: True is neither a number, a metric nor a parameter",
    )
    odd = type(metric > 1)("!=", Parameter("x", 1), 1)
    step = SqlExtract("inside", conn_id="d", table="t")
    assert "'!=' is none of <, <=, >, >=" in problems(Choice("gate", odd, then=[step]))[0]


def test_retry_topic_and_dataset():
    notify = Notify("n", topic_arn="topic", message="m", retry=Retry(attempts=-1))
    data = SqlExtract(
        "a", conn_id="d", query="select :x, :y", parameters={"x": Dataset("a b"), "y": Run.DATE}
    )
    found = problems(notify, data)
    assert "retry: Retry(attempts=-1" in found[0]
    assert found[1] == "step 'n': topic_arn: 'topic' is no ARN of an SNS topic"
    assert found[2] == "step 'a': dataset 'a b' must be letters, digits, - or _"


def test_a_long_list_is_bounded():
    steps = [SqlExtract(f"s{i}", conn_id="") for i in range(40)]
    with pytest.raises(PipelineError) as caught:
        Pipeline("p", root="s3://lake", steps=steps)
    assert len(caught.value.problems) == 80
    assert str(caught.value).endswith("... and 30 more")
    assert "p': 80 problems" in str(caught.value)


def test_emr_serverless_is_a_place_for_spark(folder):
    step = SparkTransform(
        "s", script="jobs/daily.py", on=EmrServerless(Parameter("application_id", "00abc"))
    )
    assert Pipeline("p", root="s3://lake", folder=folder, steps=[step]).parameters
