"""Where rows go: a Parquet file that streams into the parts of an upload."""

from __future__ import annotations

import io
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from airflow_ml_provider.extract.errors import BadDestination
from airflow_ml_provider.extract.memory import MB, PARTS_IN_FLIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from typing_extensions import Buffer, Self

_PART_BYTES = 8 * MB
# S3 takes 10,000 parts: growing ones make 440 GB of them instead of 80.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_PARTS_PER_SIZE = 1_000
_MAX_PARTS = 10_000


class Upload(io.RawIOBase):
    """A file whose bytes become the parts of one multipart upload.

    Nothing is visible on S3: who began the upload completes it with `parts`, after `finish`.

    s3transfer's ``upload_fileobj`` would do the same, but gives no moment between the last part
    and completion, and holds ten parts in memory.

    :param upload: the bucket, key and id of the upload.
    :param part_bytes: the size that parts may grow to.
    """

    def __init__(self, client: Any, upload: Mapping[str, str], part_bytes: int) -> None:
        super().__init__()
        self._client = client
        self._upload = upload
        self._max_part_bytes = part_bytes
        self._buffer = bytearray()
        self._in_flight: deque[Future[dict[str, Any]]] = deque()
        self._part_number = 0
        self._pool = ThreadPoolExecutor(PARTS_IN_FLIGHT, "s3-part")
        self._open = True
        self.parts: list[dict[str, Any]] = []
        self.size_bytes = 0

    def writable(self) -> bool:
        """Say yes, as a file does."""
        return True

    def write(self, data: Buffer) -> int:
        """Take the next bytes; block while two parts are on their way.

        After the `end` bytes are dropped: pyarrow writes a footer as it closes.

        :raises BadDestination: S3 takes no more parts.
        """
        count = memoryview(data).nbytes
        if self._open:
            self.size_bytes += count
            self._buffer += data
            growth = 1 + self._part_number // _PARTS_PER_SIZE
            if len(self._buffer) >= min(_PART_BYTES * growth, self._max_part_bytes):
                self._send()
        return count

    def finish(self) -> None:
        """Send what is left, and wait for all parts."""
        if self._buffer:
            self._send()
        while self._in_flight:
            self._collect()

    def end(self) -> None:
        """Stop: wait for the parts that are on their way, so that none lands after an abort."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._open = False
        self._buffer = bytearray()

    def _send(self) -> None:
        if self._part_number == _MAX_PARTS:
            raise BadDestination(
                f"s3://{self._upload['Bucket']}/{self._upload['Key']}: {self.size_bytes:,} bytes "
                f"make more than {_MAX_PARTS:,} parts; give more memory_mb, which makes larger "
                "ones, or extract less at once"
            )
        while len(self._in_flight) >= PARTS_IN_FLIGHT:
            self._collect()
        self._part_number += 1
        # The buffer itself is sent, since copies cost CPU time and memory.
        body, self._buffer = self._buffer, bytearray()
        self._in_flight.append(self._pool.submit(self._upload_part, self._part_number, body))

    def _upload_part(self, number: int, body: bytearray) -> dict[str, Any]:
        answer = self._client.upload_part(
            **self._upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32"
        )
        proof = {name: answer[name] for name in ("ETag", "ChecksumCRC32") if name in answer}
        return {"PartNumber": number, **proof}

    def _collect(self) -> None:
        self.parts.append(self._in_flight.popleft().result())


class ParquetSink:
    """Write row groups as one Parquet file into an upload.

    The bytes are the same for the same row groups in the same order, and the same pyarrow.
    """

    def __init__(self, upload: Upload, schema: pa.Schema) -> None:
        self._upload = upload
        self._metadata: list[pq.FileMetaData] = []
        self._writer = pq.ParquetWriter(
            upload, schema, compression="zstd", metadata_collector=self._metadata
        )
        self.rows = 0

    @property
    def size_bytes(self) -> int:
        """The bytes written so far."""
        return self._upload.size_bytes

    def write(self, row_group: pa.Table) -> None:
        """Write one row group."""
        self.rows += row_group.num_rows
        self._writer.write_table(row_group, row_group_size=row_group.num_rows)

    def finish(self) -> pq.FileMetaData:
        """Write the footer, wait until all bytes are on S3, and give what the footer says."""
        self._writer.close()
        self._upload.finish()
        return self._metadata[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._upload.end()
        # Its bytes go nowhere now; without it, pyarrow closes it when the garbage is collected.
        self._writer.close()
