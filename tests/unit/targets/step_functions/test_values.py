from __future__ import annotations

import json
import re

import pytest

from airflow_ml_provider.pipeline import Dataset, JobField, Metric, Output, Parameter, Run, Text
from airflow_ml_provider.pipeline.values import History, Item, ResourceName, Token
from airflow_ml_provider.plan.nodes import Invoke, Map
from airflow_ml_provider.targets.step_functions.facts import Facts, name_prefixes
from airflow_ml_provider.targets.step_functions.values import MAX_CALLS, Speller


@pytest.fixture
def speller(plan_of, job, send):
    """Give the speller of a step: `work`, or `inner` in a map."""
    inner = send("inner", "q")
    function = Invoke(name="f", retry=(), function="f", payload={}, timeout_seconds=9)
    spark = job("spark", kind="emr_serverless")
    nodes = (job("work"), job("eval-1", report=True), send("call", "q"), function, spark)
    plan = plan_of(*nodes, Map(name="m", items=("a",), body=(inner,)))
    facts = Facts.of(plan)
    return lambda step="work": Speller(facts, step)


def spelled(speller, value):
    (field,) = speller.template({"X": value}).items()
    return field


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Run.KEY, "$.run.key"),
        (Run.INTERVAL_END, "$.run.interval_end"),
        (Parameter("depth", 5), "$.parameters.depth"),
        (Output("work", "o"), "States.Format('s3://bucket/ml/p/{}/work/o/', $.run.key)"),
        (
            Output("inner", "o"),
            "States.Format('s3://bucket/ml/p/{}/inner/{}/o/', $.run.key, $.index)",
        ),
        (
            History("inner"),
            "States.Format('s3://bucket/ml/p/_history/inner/{}.json', $.index)",
        ),
        (JobField("work", ("A", "B")), "$.steps.work.A.B"),
        (JobField("call", ("messageId",)), "$.steps.call.MessageId"),
        (JobField("spark", ("jobRunId",)), "$.steps.spark.JobRunId"),
        (JobField("f", ("a",)), "$.steps.f.Payload.a"),
        (Metric("eval-1", ("a", "f1-score")), "$.steps.eval_1.report.a['f1-score']"),
        (Metric("eval-1", ("it's\\",)), "$.steps.eval_1.report['it\\'s\\\\']"),
        (Item("m"), "$.item"),
        (Item("m", ("code",)), "$.item.code"),
        (ResourceName("work"), "States.Format('p-work-{}', $.run.hash)"),
        (ResourceName("inner"), "States.Format('p-inner-{}-{}', $.run.hash, $.index)"),
        (Token(), "States.Hash(States.Format('{} inner {}', $.run.hash, $.index), 'MD5')"),
        (Text.of(Parameter("depth", 5)), "States.Format('{}', $.parameters.depth)"),
        (Text.of(Run.KEY), "$.run.key"),
        (Text("it's {{a}}\\ {k}", k=Run.KEY), r"States.Format('it\'s \{a\}\\ {}', $.run.key)"),
        (
            Text.of("in ", Text.of(Output("work", "o"), "x"), 5),
            "States.Format('in s3://bucket/ml/p/{}/work/o/x5', $.run.key)",
        ),
        (["--d", Run.DATE, 5, True], "States.Array('--d', $.run.date, 5, true)"),
        ([["a", Run.ID], "b"], "States.Array(States.Array('a', $.run.id), 'b')"),
    ],
)
def test_values(speller, value, expected):
    one = speller("inner")
    assert spelled(one, value) == ("X.$", expected)
    assert one.values == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Dataset("daily"), "s3://bucket/ml/datasets/daily/"),
        (History("work"), "s3://bucket/ml/p/_history/work.json"),
        (Text.of("a", 1, 2.5), "a12.5"),
        ([1, "a", None, {"b": []}], [1, "a", None, {"b": []}]),
        ({"a": {"b": Run.ID}, "c": 1}, {"a": {"b.$": "$.run.id"}, "c": 1}),
        ([{"a": Run.ID}, {"b": 1}], [{"a.$": "$.run.id"}, {"b": 1}]),
    ],
)
def test_what_needs_no_expression_stays_as_it_is(speller, value, expected):
    assert spelled(speller(), value) == ("X", expected)


def test_objects_and_nulls_among_values_are_worked_out_before(speller):
    one = speller()
    assert spelled(one, [Run.ID, {"a": Run.KEY}, None]) == (
        "X.$",
        "States.Array($.run.id, $.values.v0, $.values.v1)",
    )
    assert one.values == {"v0": {"a.$": "$.run.key"}, "v1": None}


def test_quoted_keys_stay_out_of_functions(speller):
    one = speller()
    f1 = Metric("eval-1", ("f1-score",))
    assert spelled(one, Text("f1 {f}", f=f1)) == ("X.$", "States.Format('f1 {}', $.values.v0)")
    assert one.values == {"v0.$": "$.steps.eval_1.report['f1-score']"}


def test_no_field_has_more_functions_than_aws_takes(speller):
    one = speller()
    paths = [Output("work", f"o{number}") for number in range(12)]
    for value in (paths, Text.of(*(Token() for _ in range(6)))):
        _, text = spelled(one, value)
        assert text.count("States.") <= MAX_CALLS
    assert len(one.values) == 18
    assert spelled(one, paths[:9])[1].count("States.") == MAX_CALLS


def test_a_job_is_named_anew_for_every_try(speller):
    tried = "$$.Execution.RedriveCount, $$.State.RetryCount"
    name = f"States.Format('p-work-{{}}-{{}}-{{}}', $.run.hash, {tried})"
    assert speller().job_name(63, 2).text == name
    assert speller("inner").job_name(63, 2).text == (
        f"States.Format('p-inner-{{}}-{{}}-{{}}-{{}}', $.run.hash, $.index, {tried})"
    )
    assert speller().job_name(32, 2).text == name.replace("hash", "suffix")


@pytest.mark.parametrize("in_map", [False, True])
@pytest.mark.parametrize(
    ("kind", "longest"), [("sagemaker_training", 63), ("sagemaker_tuning", 32)]
)
def test_names_are_never_longer_than_the_service_takes(plan_of, job, kind, longest, in_map):
    step = job("an_extraordinarily_long_name_of_a_step", kind=kind)
    node = Map(name="m", items=("a",), body=(step,)) if in_map else step
    facts = Facts.of(plan_of(node, name="a_long_name_of_a_pipeline"))
    pattern = Speller(facts, step.name).job_name(longest, 99).text.split("'")[1]
    parts = {63: "a" * 32, 32: "a" * 12}
    given = [parts[longest], *(["9999"] if in_map else []), "99", "99"]
    name = pattern.format(*given)
    assert len(name) <= longest
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", name)


def test_prefixes_of_names(plan_of, job, send):
    plan = plan_of(job("work"), send("model", "q"), job("tune", kind="sagemaker_tuning"))
    assert name_prefixes(plan) == {"work": "p-work-", "model": "p-model-", "tune": "p-tune-"}


def test_the_place_of_a_file(speller):
    place = speller().s3_object(Output("work", "o"), "evaluation.json")
    key = "States.Format('ml/p/{}/work/o/evaluation.json', $.run.key)"
    assert place == {"Bucket": "bucket", "Key.$": key}
    assert speller().s3_object("s3://other/a/", "b") == {"Bucket": "other", "Key": "a/b"}


def test_what_is_spelled_is_json(speller):
    request = {"a": (1, Run.ID), "b": {"c": [Parameter("x", 1)]}}
    assert json.loads(json.dumps(speller().template(request))) == {
        "a.$": "States.Array(1, $.run.id)",
        "b": {"c.$": "States.Array($.parameters.x)"},
    }
