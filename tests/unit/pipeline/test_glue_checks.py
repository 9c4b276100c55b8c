from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_ml_provider.pipeline import (
    EmrServerless,
    Glue,
    GluePythonShell,
    Parameter,
    Pipeline,
    PipelineError,
    SparkTransform,
    SqlExtract,
)
from airflow_ml_provider.pipeline.glue_checks import on_problems


def problems(on_empty="fail", **fields):
    fields = {"conn_id": "shop", "table": "orders", "on": GluePythonShell(), **fields}
    return list(on_problems(SqlExtract("orders", **fields), on_empty))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"on": None, "image_uri": "python:3", "memory_mb": 9999},
        {"on": GluePythonShell(connections=("vpc",)), "memory_mb": 640},
        {"on": GluePythonShell(max_capacity=1), "memory_mb": 16_000},
        {"on": GluePythonShell(max_capacity=1.0), "requirements": ("psycopg2-binary==2.9.10",)},
        {"parameters": {"shop": Parameter("shop", "")}},
    ],
)
def test_what_a_job_can_do(fields):
    assert problems(**fields) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"image_uri": "python:3"},
            "image_uri: a Glue job has no image; give image_uri= or on=, not both",
        ),
        (
            {"on_empty": "skip"},
            "on: a Glue job can't skip what follows; give on_empty='continue' or 'fail'",
        ),
        (
            {"requirements": ("pymysql", "psycopg2-binary>=2,<3")},
            (
                "requirements: 'psycopg2-binary>=2,<3' has a comma, which begins the next one in "
                "--additional-python-modules; pin one version with =="
            ),
        ),
        (
            {"on": GluePythonShell(connections="vpc")},
            "on: connections='vpc' must be names; give connections=('name',)",
        ),
        (
            {"on": GluePythonShell(connections=(1,))},
            "on: connections=(1,) must be names; give connections=('name',)",
        ),
        ({"on": GluePythonShell(max_capacity=2)}, "on: max_capacity=2 must be 0.0625 or 1"),
        (
            {"memory_mb": 641},
            (
                "memory_mb: 641 is too much for max_capacity=0.0625, which has 1,024 MB, 384 of "
                "them for the job itself; give at most 640, or GluePythonShell(max_capacity=1)"
            ),
        ),
        (
            {"on": GluePythonShell(max_capacity=1), "memory_mb": 16_001},
            (
                "memory_mb: 16001 is too much for max_capacity=1, which has 16,384 MB, 384 of them "
                "for the job itself; give at most 16,000"
            ),
        ),
    ],
)
def test_what_it_can_not(fields, expected):
    assert problems(**fields) == [expected]


def test_what_runs_a_step_must_be_able_to():
    shell, glue = GluePythonShell(), Glue()
    spark = SparkTransform("daily", script="daily.py", on=shell)
    assert list(on_problems(spark, "fail")) == [
        f"on: {shell!r} runs no Spark; give Glue(...) or EmrServerless(...)"
    ]
    assert problems(on=glue) == [f"on: {glue!r} extracts nothing; give GluePythonShell(...)"]
    for on in (glue, EmrServerless("00f1")):
        assert not list(on_problems(replace(spark, on=on), "fail"))


def test_a_pipeline_names_them_with_the_others():
    step = SqlExtract("orders", conn_id="shop", on=GluePythonShell(max_capacity=3))
    with pytest.raises(PipelineError) as caught:
        Pipeline("p", [step], root="s3://lake", on_empty="skip")
    assert str(caught.value).splitlines()[1:] == [
        (
            "  - step 'orders': on: a Glue job can't skip what follows; give on_empty='continue' "
            "or 'fail'"
        ),
        "  - step 'orders': on: max_capacity=3 must be 0.0625 or 1",
        "  - step 'orders': query: give either query= or table=",
    ]
