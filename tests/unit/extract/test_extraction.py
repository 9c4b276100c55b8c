from __future__ import annotations

import io
import logging
import random
from unittest.mock import Mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.extract import extraction, sink
from airflow_ml_provider.extract.errors import BadDestination, SourceUnavailable, UnknownType
from airflow_ml_provider.extract.extraction import extract
from airflow_ml_provider.extract.manifest import Column, read_manifest
from airflow_ml_provider.extract.source import DbapiSource

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
    monkeypatch.setattr(sink, "_ROW_GROUP_BYTES", 8_000_000)


def test_a_query_becomes_parquet_and_a_manifest(s3, sqlite, listing):
    connect = sqlite("create table t (a int, b text); insert into t values (1, 'x'), (null, 'y')")
    source = DbapiSource(
        "warehouse",
        connect,
        query="select a, b from t where a = :a or a is null",
        parameters={"a": 1},
    )
    manifest = extract(source, URI, client=s3)
    assert listing() == [MANIFEST, PART]
    assert table(s3).to_pylist() == [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]
    assert read_manifest(s3, URI) == manifest
    assert manifest.rows == 2
    assert manifest.source == "warehouse"
    assert manifest.query_sha256 == source.query_sha256
    assert manifest.columns == (
        Column("a", "int64", nullable=True),
        Column("b", "string", nullable=True),
    )
    (file,) = manifest.files
    head = s3.head_object(Bucket="bucket", Key=PART)
    assert (file.key, file.size_bytes, file.etag) == (PART, head["ContentLength"], head["ETag"])
    assert manifest.started_at <= manifest.finished_at


def test_no_rows_make_an_empty_file(s3, arrow_source):
    manifest = extract(arrow_source([]), URI, client=s3)
    assert manifest.rows == 0
    assert table(s3).schema == SCHEMA


def test_the_same_rows_make_the_same_bytes(s3, arrow_source):
    seen = set()
    for batches in ([ints(*range(9))], [ints(*range(4)), ints(*range(4, 9))]):
        extract(arrow_source(batches), URI, client=s3)
        seen.add(body(s3))
    assert len(seen) == 1


def test_row_groups_do_not_follow_batches(s3, arrow_source):
    batch = ints(*range(100_000))
    extract(arrow_source([batch] * 3), URI, client=s3)
    metadata = pq.ParquetFile(io.BytesIO(body(s3))).metadata
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [131_072, 131_072, 37_856]
    assert groups[0].column(0).compression == "ZSTD"


def test_large_results_are_multipart(s3, arrow_source, megabytes):
    schema, batches = megabytes
    manifest = extract(arrow_source(batches, schema), URI, client=s3)
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
        extract(source, URI, client=s3)
    assert listing() == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


def test_an_error_while_reading_leaves_the_earlier_extract(s3, arrow_source):
    before = extract(arrow_source([ints(1)]), URI, client=s3)
    with pytest.raises(SourceUnavailable):
        extract(arrow_source([ints(2), SourceUnavailable("lost")]), URI, client=s3)
    assert read_manifest(s3, URI) == before
    assert table(s3).to_pylist() == [{"a": 1}]


def test_an_unknown_type_leaves_nothing(s3, sqlite, listing):
    source = DbapiSource("warehouse", sqlite("create table t (a int)"), table="t")
    with pytest.raises(UnknownType):
        extract(source, URI, client=s3)
    assert listing() == []


def test_an_earlier_extract_is_replaced(s3, arrow_source, listing):
    extract(arrow_source([ints(1)]), URI, client=s3)
    others = ["flights/day=1/part-00001.parquet", "flights/day=1/part-00012.parquet"]
    strangers = [
        "flights/day=1/_SUCCESS",
        "flights/day=1/part-mine.parquet",
        "flights/day=1/sub/part-00001.parquet",
        "flights/day=10/part-00001.parquet",
    ]
    for key in [*others, *strangers]:
        s3.put_object(Bucket="bucket", Key=key, Body=b"")
    manifest = extract(arrow_source([ints(2, 3)]), URI, client=s3)
    assert sorted(listing()) == sorted([MANIFEST, PART, *strangers])
    assert read_manifest(s3, URI) == manifest
    assert table(s3).to_pylist() == [{"a": 2}, {"a": 3}]


def test_the_manifest_goes_first_and_comes_last(s3, arrow_source, megabytes):
    schema, batches = megabytes
    extract(arrow_source([ints(1)]), URI, client=s3)
    s3.put_object(Bucket="bucket", Key="flights/day=1/part-00001.parquet", Body=b"")
    calls = []
    s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    extract(arrow_source(batches, schema), URI, client=s3)
    assert [call for call in calls if call != "UploadPart"] == [
        "CreateMultipartUpload",
        "DeleteObject",
        "CompleteMultipartUpload",
        "ListObjectsV2",
        "DeleteObjects",
        "PutObject",
    ]
    assert calls.index("DeleteObject") > max(i for i, c in enumerate(calls) if c == "UploadPart")


@pytest.mark.parametrize("operation", ["upload_part", "complete_multipart_upload"])
def test_an_error_of_s3_leaves_nothing(s3, arrow_source, megabytes, listing, operation):
    schema, batches = megabytes
    answer = {
        "Error": {"Code": "AccessDenied"},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    setattr(s3, operation, Mock(side_effect=ClientError(answer, operation)))
    with pytest.raises(BadDestination, match="AccessDenied"):
        extract(arrow_source(batches, schema), URI, client=s3)
    assert listing() == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


@pytest.mark.usefixtures("small_row_groups")
def test_an_upload_that_can_not_be_aborted_is_told(s3, arrow_source, megabytes, caplog):
    schema, batches = megabytes
    abort = s3.abort_multipart_upload
    s3.abort_multipart_upload = lambda **request: abort(**{**request, "UploadId": "nope"})
    source = arrow_source([*batches, SourceUnavailable("lost")], schema)
    with pytest.raises(SourceUnavailable):
        extract(source, URI, client=s3)
    assert f"Could not abort the upload of s3://bucket/{PART}" in caplog.text


def test_earlier_files_that_can_not_be_deleted_are_told(s3, arrow_source, listing):
    s3.put_object(Bucket="bucket", Key="flights/day=1/part-00001.parquet", Body=b"")
    s3.delete_objects = Mock(return_value={"Errors": [{"Code": "AccessDenied"}]})
    with pytest.raises(BadDestination, match="AccessDenied"):
        extract(arrow_source([ints(1)]), URI, client=s3)
    assert MANIFEST not in listing()


def test_options_reach_s3(s3, arrow_source, megabytes):
    options = {"ServerSideEncryption": "aws:kms"}
    schema, batches = megabytes
    for source in (arrow_source([ints(1)]), arrow_source(batches, schema)):
        extract(source, URI, client=s3, options=options)
        for key in (PART, MANIFEST):
            assert s3.head_object(Bucket="bucket", Key=key)["ServerSideEncryption"] == "aws:kms"


def test_a_bad_uri_opens_nothing(s3):
    source = Mock()
    with pytest.raises(BadDestination):
        extract(source, "s3://bucket", client=s3)
    source.open.assert_not_called()


def test_progress_is_logged(s3, arrow_source, caplog, monkeypatch):
    monkeypatch.setattr(extraction, "_LOG_SECONDS", 0.0)
    with caplog.at_level(logging.INFO):
        extract(arrow_source([ints(1), ints(2)]), URI, client=s3)
    assert [text.split(" of Parquet")[0] for text in caplog.messages] == [
        "warehouse: 1 rows, 0.0 MB",
        "warehouse: 2 rows, 0.0 MB",
        "warehouse: 2 rows, 0.0 MB",
    ]
