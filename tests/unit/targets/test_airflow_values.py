from __future__ import annotations

import json

import pytest
from jinja2 import Environment

from airflow_ml_provider.pipeline.values import (
    Code,
    Dataset,
    History,
    Item,
    JobField,
    Metric,
    Output,
    Parameter,
    ResourceName,
    Run,
    Text,
    Token,
)
from airflow_ml_provider.targets.airflow_values import Speller, codes_of, placeholder

SPELLER = Speller("s3://lake", "flights", step="train", mapped=frozenset({"daily", "score"}))


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (Parameter("max_depth", 6), "{{ params.max_depth }}"),
        (Output("raw", "window"), "s3://lake/flights/{{ run_key(dag_run) }}/raw/window/"),
        (
            Output("daily", "window"),
            "s3://lake/flights/{{ run_key(dag_run) }}/daily/{{ ti.map_index }}/window/",
        ),
        (Dataset("daily"), "s3://lake/datasets/daily/"),
        (History("raw"), "s3://lake/flights/_history/raw.json"),
        (History("daily"), "s3://lake/flights/_history/daily/{{ ti.map_index }}.json"),
        (JobField("train", ("A", "B")), "{{ ti.xcom_pull(task_ids='train')['A']['B'] }}"),
        (
            JobField("score", ("A",)),
            "{{ ti.xcom_pull(task_ids='score', map_indexes=ti.map_index)['A'] }}",
        ),
        (
            Metric("evaluate", ("f1-score", "value")),
            "{{ ti.xcom_pull(task_ids='evaluate', key='report')['f1-score']['value'] }}",
        ),
        (
            Item("stations", ("code",)),
            "{{ ti.xcom_pull(task_ids='stations', map_indexes=-1)[ti.map_index]['code'] }}",
        ),
        (ResourceName("train"), "name:#own"),
        (ResourceName("model"), "{{ ti.xcom_pull(task_ids='model', key='resource_name') }}"),
        (Run.KEY, "{{ run_key(dag_run) }}"),
        (Run.ID, "{{ run_id }}"),
        (Run.DATE, "{{ run_date(dag_run) }}"),
        (Run.INTERVAL_START, "{{ interval_start(dag_run) }}"),
        (Run.INTERVAL_END, "{{ interval_end(dag_run) }}"),
        (Token(), "token:"),
        (Text("depth {n}, {d}", n=Parameter("n", 1), d=2), "depth {{ params.n }}, 2"),
        ({"a": [Run.ID, 1, None]}, {"a": ["{{ run_id }}", 1, None]}),
    ],
)
def test_spells_each_value(value, spelled):
    assert SPELLER.template(value) == spelled


def test_values_in_json_text_keep_their_type():
    template = SPELLER.json_template(
        {
            "n": Parameter("n", 1),
            "said": Text('it\'s "{n}" of {day}', n=Parameter("n", 1), day=Run.DATE),
            "plain": ["a", 1, None, True],
            "code": Text("x"),
            "token": Token(),
            "item": Item("m"),
        }
    )
    rendered = (
        Environment()
        .from_string(template)
        .render(
            params={"n": 3},
            dag_run=None,
            run_date=lambda _: "2013-08-29",
            ti=type("Ti", (), {"map_index": 0, "xcom_pull": lambda *_, **__: [{"a": 0.5}]})(),
        )
    )
    assert json.loads(rendered) == {
        "n": 3,
        "said": 'it\'s "3" of 2013-08-29',
        "plain": ["a", 1, None, True],
        "code": "x",
        "token": "token:",
        "item": {"a": 0.5},
    }


def test_each_code_has_its_own_placeholder():
    file, tar = Code(("a.py",), "file"), Code(("a.py",), "tar")
    more = Code(("a.py", "b.py"), "tar")
    texts = Code((), "prefix", (("c.py", "x"),)), Code((), "prefix", (("c.py", "y"),))
    wheel = Code((), "wheel")
    assert len({placeholder(code) for code in (file, tar, more, wheel, *texts)}) == 6
    assert placeholder(wheel).startswith("code:wheel#")
    request = {"x": Text.of("--py ", file), "y": tar}
    assert codes_of(request) == {placeholder(file): file, placeholder(tar): tar}
    assert Speller().template(request)["x"] == f"--py {placeholder(file)}"


def test_a_token_inside_text_is_refused():
    with pytest.raises(ValueError, match="field of its own"):
        Speller().template(Text.of("a-", Token()))
