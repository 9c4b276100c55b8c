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
    Run,
    SqlExtract,
)

TABLE = {"table": "flights"}
QUERY = {"query": "select 1"}
NO_ID = "is no id of an Airflow connection; give at most 250 letters, digits and _-.:/\\#!()"


def problems(*steps):
    try:
        Pipeline("p", root="s3://lake", steps=steps)
    except PipelineError as error:
        return error.problems
    return ()


def of_extract(**options):
    found = problems(SqlExtract("rows", **{"conn_id": "db", **options}))
    return [problem.removeprefix("step 'rows': ") for problem in found]


@pytest.mark.parametrize(
    "options",
    [
        TABLE,
        {**TABLE, "partitions": 4, "memory_mb": 192},
        {**QUERY, "partitions": 2, "partition_by": "id", "watermark": "id"},
        {
            "query": "select 1 where a::data_interval_end > :data_interval_ending",
            "parameters": {"data_interval_ending": Run.INTERVAL_END},
            "watermark": "a",
        },
        {"query": "select :data_interval_start, :data_interval_end"},
        {**TABLE, "watermark": "at", "watermark_delay_seconds": 60, "on_drift": "evolve"},
        {**TABLE, "checks": [RowCount(1), NotNull("a")], "on_drift": "ignore"},
        {"table": "sales.flights", "columns": {"a": "decimal128(38, 0)", "b": "timestamp[us]"}},
        {"query": "select :a, :run_date", "parameters": {"a": 1, "data_interval_end": 2}},
        # Whether it is a parameter depends on the database.
        {"query": "select 1 # :a"},
        {"query": "select 1 # :a", "parameters": {"a": 1}},
        # In Airflow they are templates.
        {"query": "select {{ params.what }} {# :b #}", "parameters": {"a": 1}},
        {"table": "{{ params.schema }}..t"},
        {**TABLE, "conn_id": "team/db-1.x:y#2(3)!\\é"},
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
            {**TABLE, "partition_by": "id"},
            (
                "partition_by: 'id' says how several streams share the rows, and partitions is "
                "1; give partitions=, or leave it out"
            ),
        ),
        ({"query": ""}, "query: '' is no SQL; give query='select ...', or table="),
        ({"query": " \n"}, r"query: ' \n' is no SQL; give query='select ...', or table="),
        ({"query": 5}, "query: 5 is no text; give what a run brings in parameters="),
        ({"table": ""}, "table: '' has an empty part; give 'table' or 'schema.table'"),
        ({"table": "a..b"}, "table: 'a..b' has an empty part; give 'table' or 'schema.table'"),
        ({"table": 5}, "table: 5 is no text; give what a run brings in parameters="),
        (
            {**TABLE, "parameters": {"b": 1, "a": 2, "run_date": "2013-08-29"}},
            "parameters: a, b: a table takes none; leave them out, or give query=",
        ),
        (
            {"query": "select :a, :b, ':d'", "parameters": {"b": Parameter("b", 1), "c": 2}},
            (
                "parameters: the query uses :a, which was not given; "
                ":c was given, but the query does not use it "
                "(given: :b, :c, :data_interval_end, :data_interval_start, :run_date); "
                "mend: the same names in the query and in parameters"
            ),
        ),
        (
            {**QUERY, "parameters": ["a"]},
            "parameters: ['a'] is no mapping; give {'name': value}",
        ),
        ({**TABLE, "columns": ["a"]}, "columns: ['a'] is no mapping; give {'name': 'int64'}"),
        ({**TABLE, "conn_id": ""}, f"conn_id: '' {NO_ID}"),
        ({**TABLE, "conn_id": None}, f"conn_id: None {NO_ID}"),
        ({**TABLE, "conn_id": "my db"}, f"conn_id: 'my db' {NO_ID}"),
        ({**TABLE, "conn_id": "db\n"}, rf"conn_id: 'db\n' {NO_ID}"),
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


@pytest.mark.parametrize(
    "given",
    [
        *("decimal", "decimal128", "decimal128(39, 2)", "decimal128(0, 0)", "decimal128(5, 6)"),
        *("integer", "timestamp", "timestamp[us, tz=Europe/Berlin]", "", None, "INT64"),
    ],
)
def test_types_are_those_of_an_extract(given):
    (problem,) = of_extract(**TABLE, columns={"a": given, "b": "int64"})
    assert problem.startswith(f"columns: 'a' is {given!r}; give one of bool, int8, ")
    assert problem.endswith(", decimal128(precision, scale)")


def test_the_query_of_a_file_is_checked_too(tmp_path):
    (tmp_path / "q.sql").write_text("select :a where day < :data_interval_end")
    (tmp_path / "bad.sql").write_bytes(b"select '\xe9'")
    steps = [
        SqlExtract("q", conn_id="w", query="q.sql", watermark="id"),
        SqlExtract("bad", conn_id="w", query="bad.sql"),
        SqlExtract("good", conn_id="w", query="q.sql", parameters={"a": 1}),
    ]
    with pytest.raises(PipelineError) as error:
        Pipeline("p", steps, root="s3://lake", folder=tmp_path)
    missing, late, unread = error.value.problems
    assert missing.startswith("step 'q': parameters: the query uses :a, which was not given (")
    assert late.startswith("step 'q': watermark: the query uses :data_interval_end, so rows")
    assert unread.startswith("step 'bad': query: bad.sql can't be read as UTF-8: ")


def test_all_of_them_come_at_once():
    found = of_extract(
        conn_id="",
        columns={"a": "decimal"},
        partitions=-1,
        partition_by="",
        watermark="",
        watermark_delay_seconds=-1,
        on_drift=None,
        memory_mb=0,
        checks=[RowCount(), "x"],
    )
    fields = ["query", "conn_id", "partition_by", "watermark", "columns", "partitions"]
    assert [problem.split(":")[0] for problem in found] == [
        *fields,
        *("watermark_delay_seconds", "on_drift", "memory_mb", "checks", "checks"),
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
