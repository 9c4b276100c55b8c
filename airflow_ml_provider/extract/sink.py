"""Where rows go: a Parquet object on S3 that becomes visible only when it is complete."""

from __future__ import annotations

import io
import logging
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from airflow_ml_provider.extract.manifest import DataFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Buffer, Self

    from airflow_ml_provider.extract.location import Location

log = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024
_PARTS_IN_FLIGHT = 2
# S3 takes 10,000 parts: growing ones make 440 GB of them instead of 80.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_PARTS_PER_SIZE = 1_000
_ROW_GROUP_ROWS = 131_072
_ROW_GROUP_BYTES = 64 * 1024 * 1024


class Upload(io.RawIOBase):
    """A file that streams to one S3 object: one PUT if it is small, else a multipart upload.

    Nothing is visible on S3 before `complete`. A killed process can leave an unfinished upload,
    which costs storage until a lifecycle rule (AbortIncompleteMultipartUpload) ends it.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html

    s3transfer's ``upload_fileobj`` would do the same, but gives no moment between the last part
    and completion, and holds ten parts in memory.
    """

    def __init__(
        self, client: Any, location: Location, name: str, options: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._client = client
        self._object = {"Bucket": location.bucket, "Key": location.key(name)}
        self._options = options
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._in_flight: deque[Future[dict[str, Any]]] = deque()
        self._part_number = 0
        self._pool = ThreadPoolExecutor(_PARTS_IN_FLIGHT, "s3-part")
        self._open = True
        self.size_bytes = 0

    def writable(self) -> bool:
        """Say yes, as a file does."""
        return True

    def write(self, data: Buffer) -> int:
        """Take the next bytes; block while two parts are on their way.

        After the `end` bytes are dropped: pyarrow writes a footer as it closes.
        """
        count = memoryview(data).nbytes
        if self._open:
            self.size_bytes += count
            self._buffer += data
            while len(self._buffer) >= (size := self._part_size()):
                self._send(bytes(memoryview(self._buffer)[:size]))
                del self._buffer[:size]
        return count

    def complete(self, before_visible: Callable[[], None]) -> str:
        """Make the object visible, in place of one of the same key, and give its ETag."""
        if self._upload_id is None:
            before_visible()
            answer = self._client.put_object(
                **self._object, **self._options, Body=bytes(self._buffer)
            )
        else:
            if self._buffer:
                self._send(bytes(self._buffer))
            while self._in_flight:
                self._collect()
            before_visible()
            answer = self._client.complete_multipart_upload(
                **self._object, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )
        self._upload_id = None
        etag: str = answer["ETag"]
        return etag

    def end(self) -> None:
        """Stop; what was not completed is aborted, and later bytes are dropped."""
        # A part that lands after the abort would stay, so the parts end first.
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._upload_id is not None:
            self._abort(self._upload_id)
        self._open = False
        self._buffer.clear()

    def _part_size(self) -> int:
        return PART_BYTES * (1 + self._part_number // _PARTS_PER_SIZE)

    def _send(self, body: bytes) -> None:
        if self._upload_id is None:
            self._upload_id = self._client.create_multipart_upload(
                **self._object, **self._options, ChecksumAlgorithm="CRC32"
            )["UploadId"]
        while len(self._in_flight) >= _PARTS_IN_FLIGHT:
            self._collect()
        self._part_number += 1
        self._in_flight.append(self._pool.submit(self._upload_part, self._part_number, body))

    def _upload_part(self, number: int, body: bytes) -> dict[str, Any]:
        answer = self._client.upload_part(
            **self._object,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=body,
            ChecksumAlgorithm="CRC32",
        )
        proof = {name: answer[name] for name in ("ETag", "ChecksumCRC32") if name in answer}
        return {"PartNumber": number, **proof}

    def _collect(self) -> None:
        self._parts.append(self._in_flight.popleft().result())

    def _abort(self, upload_id: str) -> None:
        try:
            self._client.abort_multipart_upload(**self._object, UploadId=upload_id)
        except (BotoCoreError, ClientError):
            # The first error is the one to show.
            log.warning("Could not abort the upload of s3://%(Bucket)s/%(Key)s", self._object)


class ParquetSink:
    """Write record batches as one Parquet object.

    Row groups hold 131,072 rows, or fewer of 64 MB; the bytes are the same for the same rows in
    the same order, and the same pyarrow. Leave the context without `complete`, and nothing is
    visible on S3.
    """

    def __init__(
        self,
        client: Any,
        location: Location,
        name: str,
        schema: pa.Schema,
        options: Mapping[str, str],
    ) -> None:
        self._key = location.key(name)
        self._upload = Upload(client, location, name, options)
        self._writer = pq.ParquetWriter(self._upload, schema, compression="zstd")
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = 0
        self.rows = 0

    @property
    def size_bytes(self) -> int:
        """The bytes written so far."""
        return self._upload.size_bytes

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows, and write them when a row group is full."""
        self.rows += batch.num_rows
        while batch.num_rows:
            taken = batch.slice(0, _ROW_GROUP_ROWS - self._held_rows)
            batch = batch.slice(taken.num_rows)
            self._held.append(taken)
            self._held_rows += taken.num_rows
            self._held_bytes += taken.nbytes
            if self._held_rows == _ROW_GROUP_ROWS or self._held_bytes >= _ROW_GROUP_BYTES:
                self._write_row_group()

    def complete(self, before_visible: Callable[[], None]) -> DataFile:
        """Write what is held and make the object visible; ``before_visible`` is called in between.

        When it is called, all bytes but a small object's own are on S3, and nothing is seen yet.
        """
        if self._held_rows:
            self._write_row_group()
        self._writer.close()
        etag = self._upload.complete(before_visible)
        return DataFile(self._key, self.rows, self.size_bytes, etag)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._upload.end()
        # Its bytes go nowhere now; without it, pyarrow closes it when the garbage is collected.
        self._writer.close()

    def _write_row_group(self) -> None:
        table = pa.Table.from_batches(self._held)
        self._writer.write_table(table, row_group_size=_ROW_GROUP_ROWS)
        self._held.clear()
        self._held_rows = self._held_bytes = 0
