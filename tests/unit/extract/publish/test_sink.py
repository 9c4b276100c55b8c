from __future__ import annotations

import io
import random
from unittest.mock import Mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_ml_provider.extract.errors import BadDestination
from airflow_ml_provider.extract.publish import sink
from airflow_ml_provider.extract.publish.sink import ParquetSink, Upload

OBJECT = {"Bucket": "bucket", "Key": "part-00000.parquet"}
MB = 1024 * 1024


@pytest.fixture
def begin(s3):
    def begin(part_bytes=16 * MB):
        upload_id = s3.create_multipart_upload(**OBJECT, ChecksumAlgorithm="CRC32")["UploadId"]
        return Upload(s3, {**OBJECT, "UploadId": upload_id}, part_bytes)

    return begin


def complete(s3, upload):
    s3.complete_multipart_upload(**upload._upload, MultipartUpload={"Parts": upload.parts})
    return s3.get_object(**OBJECT)["Body"].read()


def chunks(count, size=MB, seed=0):
    seeded = random.Random(seed)
    return [seeded.randbytes(size) for _ in range(count)]


def test_bytes_become_parts(s3, begin):
    data = chunks(20)
    upload = begin()
    for chunk in data:
        assert upload.write(chunk) == MB
    upload.finish()
    upload.end()
    assert [part["PartNumber"] for part in upload.parts] == [1, 2, 3]
    assert all(part["ChecksumCRC32"] for part in upload.parts)
    assert upload.size_bytes == 20 * MB
    assert complete(s3, upload) == b"".join(data)


def test_what_is_written_may_be_reused(s3, begin):
    upload = begin()
    data = bytearray(b"1234")
    upload.write(memoryview(data))
    data[:] = b"????"
    upload.finish()
    upload.end()
    assert complete(s3, upload) == b"1234"


@pytest.mark.parametrize(("part_bytes", "sizes"), [(16, [8, 8, 16, 16, 16]), (10, [8, 8, 10, 10])])
def test_parts_grow(monkeypatch, part_bytes, sizes):
    monkeypatch.setattr(sink, "_PART_BYTES", 8)
    monkeypatch.setattr(sink, "_PARTS_PER_SIZE", 2)
    client = Mock()
    client.upload_part.return_value = {"ETag": "e"}
    upload = Upload(client, OBJECT, part_bytes)
    for _ in range(sum(sizes)):
        upload.write(b"x")
    upload.finish()
    upload.end()
    calls = sorted(client.upload_part.call_args_list, key=lambda call: call.kwargs["PartNumber"])
    assert [len(call.kwargs["Body"]) for call in calls] == sizes


def test_too_many_parts_are_told(monkeypatch):
    monkeypatch.setattr(sink, "_PART_BYTES", 1)
    monkeypatch.setattr(sink, "_MAX_PARTS", 2)
    client = Mock()
    client.upload_part.return_value = {"ETag": "e"}
    upload = Upload(client, OBJECT, 1)
    upload.write(b"x")
    upload.write(b"x")
    with pytest.raises(BadDestination, match="3 bytes make more than 2 parts; give more memory_mb"):
        upload.write(b"x")
    upload.end()


def test_few_parts_are_held(monkeypatch):
    """Whoever writes waits while two are on their way."""
    monkeypatch.setattr(sink, "_PART_BYTES", 1)
    running, most = [], []

    def upload_part(**_):
        running.append(1)
        most.append(len(running))
        running.pop()
        return {"ETag": "e"}

    upload = Upload(Mock(upload_part=upload_part), OBJECT, 1)
    for _ in range(50):
        upload.write(b"x")
        assert len(upload._in_flight) <= 2
    upload.finish()
    upload.end()
    assert len(upload.parts) == 50
    assert max(most) <= 2


def test_an_error_of_a_part_is_raised(monkeypatch):
    monkeypatch.setattr(sink, "_PART_BYTES", 1)
    upload = Upload(Mock(upload_part=Mock(side_effect=OSError("gone"))), OBJECT, 1)
    upload.write(b"x")
    with pytest.raises(OSError, match="gone"):
        upload.finish()
    upload.end()


def test_bytes_after_the_end_are_dropped():
    upload = Upload(Mock(), OBJECT, 1)
    upload.end()
    assert upload.write(b"x") == 1
    assert upload.size_bytes == 0


def test_a_parquet_file(s3, begin):
    table = pa.table({"a": pa.array([1, None, 3], pa.int32())})
    upload = begin()
    with ParquetSink(upload, table.schema) as parquet:
        parquet.write(table)
        parquet.write(table)
        footer = parquet.finish()
        assert parquet.rows == footer.num_rows == 6
        assert parquet.size_bytes == upload.size_bytes
    data = complete(s3, upload)
    assert len(data) == upload.size_bytes
    file = pq.ParquetFile(io.BytesIO(data))
    assert file.num_row_groups == footer.num_row_groups == 2
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.read().equals(pa.concat_tables([table, table]))


def test_without_rows_it_has_a_schema(s3, begin):
    upload = begin()
    schema = pa.schema([("a", pa.decimal128(10, 2))])
    with ParquetSink(upload, schema) as parquet:
        assert parquet.finish().num_row_groups == 0
    assert pq.read_table(io.BytesIO(complete(s3, upload))).schema == schema
