from __future__ import annotations

import pytest

from airflow_ml_provider.operators.spell import codes_of, placeholder, spell
from airflow_ml_provider.pipeline.values import (
    Code,
    Dataset,
    JobField,
    Metric,
    Output,
    Parameter,
    Run,
    Text,
    Token,
)


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (Parameter("max_depth", 6), "{{ params.max_depth }}"),
        (Output("daily", "window"), "s3://lake/flights/{{ run_key(dag_run) }}/daily/window/"),
        (Dataset("daily"), "s3://lake/datasets/daily/"),
        (JobField("train", ("A", "B")), "{{ ti.xcom_pull(task_ids='train')['A']['B'] }}"),
        (
            Metric("evaluate", ("f1-score", "value")),
            "{{ ti.xcom_pull(task_ids='evaluate', key='report')['f1-score']['value'] }}",
        ),
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
    assert spell(value, plan_root="s3://lake", pipeline_name="flights") == spelled


def test_tasks_may_have_other_names_than_steps():
    spelled = spell(Metric("evaluate", ("auc",)), task_ids={"evaluate": "gate.evaluate"})
    assert "task_ids='gate.evaluate'" in spelled


def test_each_code_has_its_own_placeholder():
    file, tar = Code(("a.py",), "file"), Code(("a.py",), "tar")
    more = Code(("a.py", "b.py"), "tar")
    assert len({placeholder(code) for code in (file, tar, more)}) == 3
    request = {"x": Text.of("--py ", file), "y": tar}
    assert codes_of(request) == {placeholder(file): file, placeholder(tar): tar}
    assert spell(request)["x"] == f"--py {placeholder(file)}"


def test_a_token_inside_text_is_refused():
    with pytest.raises(ValueError, match="field of its own"):
        spell(Text.of("a-", Token()))
