from __future__ import annotations

import io
import logging
import random
from datetime import date
from decimal import Decimal
from unittest.mock import Mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.extract import extraction, memory
from airflow_ml_provider.extract.errors import (
    BadDestination,
    BadQuery,
    CheckFailed,
    NoRows,
    SchemaDrift,
    SourceUnavailable,
    Superseded,
    UnknownType,
)
from airflow_ml_provider.extract.extraction import extract
from airflow_ml_provider.extract.publish.manifest import Column, Partition, read_manifest
from airflow_ml_provider.extract.selection import Selection

URI = "s3://bucket/flights/day=1/"
PART = "flights/day=1/part-00000.parquet"
MANIFEST = "flights/day=1/_manifest.json"
SCHEMA = pa.schema([("a", pa.int64())])


def ints(*values):
    return pa.record_batch([pa.array(values, pa.int64())], schema=SCHEMA)


def body(s3, key=PART):
    return s3.get_object(Bucket="bucket", Key=key)["Body"].read()


def table(s3):
    return pq.read_table(io.BytesIO(body(s3)))


@pytest.fixture(scope="module")
def megabytes():
    """Twenty batches of one megabyte that can't be compressed."""
    seeded = random.Random(0)
    schema = pa.schema([("b", pa.binary())])
    rows = [seeded.randbytes(1_000_000) for _ in range(20)]
    return schema, [pa.record_batch([pa.array([row])], schema=schema) for row in rows]


@pytest.fixture
def small_row_groups(monkeypatch):
    """Send parts before all rows are read."""
    monkeypatch.setattr(memory, "_MAX_ROW_GROUP_BYTES", 8_000_000)


def test_rows_become_parquet_and_a_manifest(s3, arrow_source, listing):
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    rows = [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]
    source = arrow_source([pa.RecordBatch.from_pylist(rows, schema=schema)], schema)
    manifest = extract(source, URI, client=lambda: s3)
    assert listing() == [f"flights/day=1/_attempts/{manifest.attempt}.json", MANIFEST, PART]
    assert table(s3).to_pylist() == rows
    assert read_manifest(s3, URI) == manifest
    assert manifest.rows == 2
    assert manifest.source == "warehouse"
    assert manifest.query_sha256 == source.selection.query_sha256
    assert manifest.columns == (
        Column("a", "int64", nullable=True),
        Column("b", "string", nullable=True),
    )
    (file,) = manifest.files
    head = s3.head_object(Bucket="bucket", Key=PART)
    assert (file.key, file.size_bytes, file.etag) == (PART, head["ContentLength"], head["ETag"])
    assert manifest.started_at <= manifest.finished_at


def test_no_rows_make_an_empty_file(s3, arrow_source):
    manifest = extract(arrow_source([]), URI, client=lambda: s3)
    assert manifest.rows == 0
    assert table(s3).schema == SCHEMA


def test_the_same_rows_make_the_same_bytes(s3, arrow_source):
    seen = set()
    for batches in ([ints(*range(9))], [ints(*range(4)), ints(*range(4, 9))]):
        extract(arrow_source(batches), URI, client=lambda: s3)
        seen.add(body(s3))
    assert len(seen) == 1


def test_row_groups_do_not_follow_batches(s3, arrow_source):
    batch = ints(*range(100_000))
    extract(arrow_source([batch] * 3), URI, client=lambda: s3)
    metadata = pq.ParquetFile(io.BytesIO(body(s3))).metadata
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [131_072, 131_072, 37_856]
    assert groups[0].column(0).compression == "ZSTD"


def test_large_results_are_multipart(s3, arrow_source, megabytes):
    schema, batches = megabytes
    manifest = extract(arrow_source(batches, schema), URI, client=lambda: s3)
    assert manifest.files[0].etag.endswith('-3"')
    assert manifest.size_bytes == len(body(s3)) > 20_000_000
    assert table(s3)["b"].to_pylist() == [batch["b"][0].as_py() for batch in batches]


@pytest.mark.usefixtures("small_row_groups")
@pytest.mark.parametrize("error", [SourceUnavailable("lost"), KeyboardInterrupt()])
@pytest.mark.parametrize("count", [1, 20])
def test_an_error_while_reading_leaves_nothing(
    s3, arrow_source, megabytes, listing, *, error, count
):
    schema, batches = megabytes
    source = arrow_source([*batches[:count], error], schema)
    with pytest.raises(type(error)):
        extract(source, URI, client=lambda: s3)
    assert listing() == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


def test_an_error_while_reading_leaves_the_earlier_extract(s3, arrow_source):
    before = extract(arrow_source([ints(1)]), URI, client=lambda: s3)
    with pytest.raises(SourceUnavailable):
        extract(arrow_source([ints(2), SourceUnavailable("lost")]), URI, client=lambda: s3)
    assert read_manifest(s3, URI) == before
    assert table(s3).to_pylist() == [{"a": 1}]


def test_a_source_that_can_not_be_opened_leaves_nothing(s3, listing):
    source = Mock(selection=Selection("warehouse", table="flights"))
    source.open.side_effect = UnknownType("a")
    with pytest.raises(UnknownType):
        extract(source, URI, client=lambda: s3)
    assert listing() == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


@pytest.mark.parametrize("operation", ["upload_part", "complete_multipart_upload"])
def test_an_error_of_s3_publishes_nothing(s3, arrow_source, megabytes, listing, operation):
    schema, batches = megabytes
    answer = {
        "Error": {"Code": "AccessDenied"},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    setattr(s3, operation, Mock(side_effect=ClientError(answer, operation)))
    with pytest.raises(BadDestination, match="AccessDenied"):
        extract(arrow_source(batches, schema), URI, client=lambda: s3)
    assert [key for key in listing() if "/_attempts/" not in key] == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


def test_options_reach_s3(s3, arrow_source, megabytes):
    options = {"ServerSideEncryption": "aws:kms"}
    schema, batches = megabytes
    for source in (arrow_source([ints(1)]), arrow_source(batches, schema)):
        extract(source, URI, client=lambda: s3, options=options)
        for key in (PART, MANIFEST):
            assert s3.head_object(Bucket="bucket", Key=key)["ServerSideEncryption"] == "aws:kms"


def test_a_bad_uri_opens_nothing(s3):
    source = Mock()
    with pytest.raises(BadDestination):
        extract(source, "s3://bucket", client=lambda: s3)
    source.open.assert_not_called()


def test_progress_is_logged(s3, arrow_source, caplog, monkeypatch):
    monkeypatch.setattr(extraction, "_LOG_SECONDS", 0.0)
    monkeypatch.setattr(memory, "_MAX_ROW_GROUP_BYTES", 1)
    with caplog.at_level(logging.INFO):
        extract(arrow_source([ints(1), ints(2)]), URI, client=lambda: s3)
    assert [text.split(" of Parquet")[0] for text in caplog.messages] == [
        "warehouse: 1 rows, 0.0 MB",
        "warehouse: 2 rows, 0.0 MB",
        "warehouse: 2 rows, 0.0 MB",
    ]


def test_streams_make_one_file(s3, arrow_source):
    source = arrow_source([ints(1, 2)], more=[[ints(3)], [], [ints(4), ints(5)]])
    assert extract(source, URI, client=lambda: s3).rows == 5
    assert sorted(table(s3)["a"].to_pylist()) == [1, 2, 3, 4, 5]


def test_batches_are_as_large_as_memory_allows(s3, arrow_source):
    source = arrow_source([ints(1)])
    asked = []
    opened = source.open
    source.open = lambda batch_bytes: (asked.append(batch_bytes), opened(batch_bytes))[1]
    extract(source, URI, client=lambda: s3)
    assert asked == [memory.BATCH_BYTES]


@pytest.mark.parametrize(
    ("values", "minimum", "maximum"),
    [
        ([5, None, -3, 40], "-3", "40"),
        ([None], None, None),
        ([], None, None),
        ([date(2013, 1, 2), date(2013, 1, 1)], "2013-01-01", "2013-01-02"),
        ([Decimal("10.5"), Decimal("9.25")], "9.25", "10.50"),
        (["b", "a"], "a", "b"),
    ],
)
def test_the_range_of_the_partition_column(*, s3, arrow_source, values, minimum, maximum):
    column = pa.array(values, None if values and values[0] else pa.int64())
    schema = pa.schema([("tags", pa.list_(pa.int8())), ("key", column.type)])
    batch = pa.record_batch([pa.nulls(len(values), pa.list_(pa.int8())), column], schema=schema)
    manifest = extract(arrow_source([batch], schema, partition_by="key"), URI, client=lambda: s3)
    assert manifest.partition == Partition("key", minimum, maximum)
    assert read_manifest(s3, URI) == manifest


def test_without_a_partition_column_there_is_no_range(s3, arrow_source):
    assert extract(arrow_source([ints(1)]), URI, client=lambda: s3).partition is None
    assert (
        extract(arrow_source([ints(1)], partition_by="b"), URI, client=lambda: s3).partition is None
    )


def test_no_rows_may_be_an_error(s3, arrow_source, listing):
    with pytest.raises(NoRows, match="warehouse gave no rows; nothing is published"):
        extract(arrow_source([ints()]), URI, client=lambda: s3, allow_empty=False)
    assert listing() == []
    assert extract(arrow_source([ints(1)]), URI, client=lambda: s3, allow_empty=False).rows == 1


def test_too_little_memory_opens_nothing(s3):
    source = Mock()
    with pytest.raises(BadQuery, match="memory_mb is 1"):
        extract(source, URI, client=lambda: s3, memory_mb=1)
    source.open.assert_not_called()


def test_too_many_streams_leave_nothing(s3, arrow_source, listing):
    with pytest.raises(BadQuery, match="too little for 101 streams"):
        extract(arrow_source([ints(1)], more=[[]] * 100), URI, client=lambda: s3)
    assert listing() == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


def test_a_newer_attempt_is_published_alone(s3, arrow_source):
    meanwhile = Mock()  # checks begin when the attempt has begun
    newer = arrow_source([ints(2)])
    meanwhile.start.side_effect = lambda _: extract(newer, URI, client=lambda: s3)
    with pytest.raises(Superseded, match="s3://bucket/flights/day=1: another attempt"):
        extract(arrow_source([ints(1)]), URI, client=lambda: s3, checks=meanwhile)
    assert table(s3).to_pylist() == [{"a": 2}]
    assert read_manifest(s3, URI).rows == 1
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


class Seen:
    """Checks, or drift, that remember their calls."""

    def __init__(self, **errors):
        self.calls, self.errors = [], errors

    def _call(self, name, *values):
        self.calls.append((name, *values))
        if name in self.errors:
            raise self.errors[name]

    def start(self, schema):
        self._call("start", schema)

    def add(self, batch):
        self._call("add", batch.num_rows)

    def finish(self, rows):
        self._call("finish", rows)

    def answer(self, schema):
        self._call("answer", schema)
        return pa.schema([("b", pa.string()), *schema])

    def published(self, schema):
        self._call("published", schema)


def test_checks_see_all_rows(s3, arrow_source):
    seen = Seen()
    extract(arrow_source([ints(1), ints(2, 3)]), URI, client=lambda: s3, checks=seen)
    assert seen.calls == [("start", SCHEMA), ("add", 1), ("add", 2), ("finish", 3)]


@pytest.mark.parametrize("step", ["start", "add", "finish"])
def test_what_checks_refuse_is_not_published(s3, arrow_source, listing, step):
    with pytest.raises(CheckFailed):
        extract(
            arrow_source([ints(1)]),
            URI,
            client=lambda: s3,
            checks=Seen(**{step: CheckFailed("no")}),
        )
    assert listing() == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


def test_rows_are_fitted_to_what_drift_answers(s3, arrow_source):
    drift, checks = Seen(), Seen()
    written = pa.schema([("b", pa.string()), *SCHEMA])
    manifest = extract(arrow_source([ints(1)]), URI, client=lambda: s3, drift=drift, checks=checks)
    assert table(s3).to_pylist() == [{"b": None, "a": 1}]
    assert [column.name for column in manifest.columns] == ["b", "a"]
    assert drift.calls == [("answer", SCHEMA), ("published", written)]
    assert checks.calls[0] == ("start", written)


def test_drift_that_is_refused_publishes_nothing(s3, arrow_source, listing):
    drift = Seen(answer=SchemaDrift("a is gone"))
    with pytest.raises(SchemaDrift):
        extract(arrow_source([ints(1)]), URI, client=lambda: s3, drift=drift)
    assert listing() == []
    assert [name for name, _ in drift.calls] == ["answer"]
