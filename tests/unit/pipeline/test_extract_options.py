from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import (
    InRange,
    Map,
    NotNull,
    Parameter,
    Pipeline,
    PipelineError,
    RowCount,
    SqlExtract,
)

TABLE = {"table": "flights"}
QUERY = {"query": "select 1"}


def problems(*steps):
    try:
        Pipeline("p", root="s3://lake", steps=steps)
    except PipelineError as error:
        return error.problems
    return ()


def of_extract(**options):
    found = problems(SqlExtract("rows", conn_id="db", **options))
    return [problem.removeprefix("step 'rows': ") for problem in found]


@pytest.mark.parametrize(
    "options",
    [
        TABLE,
        {**TABLE, "partitions": 4, "memory_mb": 192},
        {**QUERY, "partitions": 2, "partition_by": "id", "watermark": "id"},
        {"query": "select 1 where a::data_interval_end > :data_interval_ending", "watermark": "a"},
        {"query": "select :data_interval_start, :data_interval_end"},
        {**TABLE, "watermark": "at", "watermark_delay_seconds": 60, "on_drift": "evolve"},
        {**TABLE, "checks": [RowCount(1), NotNull("a")], "on_drift": "ignore"},
    ],
)
def test_good_options(options):
    assert of_extract(**options) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "query: give either query= or table="),
        ({**TABLE, "query": "gone.sql"}, "query: give either query= or table="),
        ({**TABLE, "partitions": 0}, "partitions: 0 is no number of streams; give 1 or more"),
        ({**TABLE, "partitions": True}, "partitions: True is no number of streams; give 1 or more"),
        ({**TABLE, "partitions": "2"}, "partitions: '2' is no number of streams; give 1 or more"),
        (
            {**QUERY, "partitions": 2},
            "partitions: 2 streams share the rows of a query by a column; give partition_by=",
        ),
        ({**TABLE, "partition_by": ""}, "partition_by: '' is no name of a column"),
        (
            {"query": "select a::text from t where at >= :data_interval_start", "watermark": "at"},
            (
                "watermark: the query uses :data_interval_start, so rows that come late would be "
                "in no run; leave one of them out, or give the time another name in parameters= "
                "if it bounds no rows"
            ),
        ),
        ({**TABLE, "watermark": 5}, "watermark: 5 is no name of a column"),
        (
            {**TABLE, "watermark": "at", "watermark_delay_seconds": 0.5},
            "watermark_delay_seconds: 0.5 must be a whole number from 0 on",
        ),
        (
            {**TABLE, "watermark_delay_seconds": 5},
            "watermark_delay_seconds: 5 is for a watermark; give watermark=",
        ),
        (
            {**TABLE, "on_drift": "panic"},
            "on_drift: 'panic' must be 'fail', 'evolve' or 'ignore'",
        ),
        ({**TABLE, "memory_mb": 191}, "memory_mb: 191 must be a whole number from 192 on"),
        ({**TABLE, "memory_mb": 300.5}, "memory_mb: 300.5 must be a whole number from 192 on"),
        (
            {**TABLE, "checks": [InRange("x", 2, 1)]},
            "checks: InRange(column='x', minimum=2, maximum=1): its minimum is above its maximum",
        ),
    ],
)
def test_each_bad_option_is_named(options, expected):
    assert of_extract(**options) == [expected]


def test_all_of_them_come_at_once():
    found = of_extract(
        partitions=-1,
        partition_by="",
        watermark="",
        watermark_delay_seconds=-1,
        on_drift=None,
        memory_mb=0,
        checks=[RowCount(), "x"],
    )
    fields = ["query", "partition_by", "watermark", "partitions", "watermark_delay_seconds"]
    assert [problem.split(":")[0] for problem in found] == [
        *fields,
        *("on_drift", "memory_mb", "checks", "checks"),
    ]


def test_a_watermark_needs_items_that_stay_the_same():
    rows = SqlExtract("rows", conn_id="db", table="t", watermark="id")
    assert problems(Map("shops", ["a", "b"], body=[rows])) == ()
    plain = SqlExtract("rows", conn_id="db", table="t")
    shops = Parameter("shops", ["a"])
    assert problems(Map("shops", shops, body=[plain])) == ()
    (problem,) = problems(Map("shops", shops, body=[rows]))
    assert problem == (
        "step 'rows': watermark: the items of 'shops' may be others in the next run; give the map "
        "a list, or bound the query by :data_interval_start"
    )
