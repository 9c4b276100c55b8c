"""How much memory an extract may take, and what of it is whose."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_ml_provider.extract.errors import BadQuery

MB = 1024 * 1024
DEFAULT_MEMORY_MB = 300
MIN_MEMORY_MB = 192
PARTS_IN_FLIGHT = 2
QUEUED_ROW_GROUPS = 1
# Modules, with the hook's, connections, and what the allocators keep.
_FIXED_MB = 140
BATCH_BYTES = 4 * MB
"""The size of a stream's batch, where there is room; bigger ones are no faster."""
_MIN_BATCH_BYTES = MB
# A batch is there as the driver reads it, as Arrow, and as its column types want it.
_BATCH_COPIES = 4
# S3 takes no smaller parts: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_MIN_PART_BYTES = 5 * MB
_MAX_ROW_GROUP_BYTES = 64 * MB
_MIN_ROW_GROUP_BYTES = MB


@dataclass(frozen=True)
class Memory:
    """What an extract may take above the idle process, in MB, for any number of rows.

    A value that is bigger than a batch, such as a document of 100 MB, comes on top of it.

    :raises BadQuery: it is too little.
    """

    memory_mb: int = DEFAULT_MEMORY_MB

    def __post_init__(self) -> None:
        if self.memory_mb < MIN_MEMORY_MB:
            raise BadQuery(f"memory_mb is {self.memory_mb}; give at least {MIN_MEMORY_MB}")

    def batch_bytes(self, streams: int) -> int:
        """The size of a batch of each stream."""
        return max(_MIN_BATCH_BYTES, min(BATCH_BYTES, self._bytes // 20 // streams))

    @property
    def part_bytes(self) -> int:
        """The largest part of an upload; two are on their way and one is filled."""
        share = self._bytes // 4 // (PARTS_IN_FLIGHT + 1)
        return max(_MIN_PART_BYTES, share)

    def row_group_bytes(self, streams: int) -> int:
        """The size of a row group before it is encoded.

        Each stream fills one, some are queued, one is encoded, and encoding takes as much again.

        :raises BadQuery: there are too many streams.
        """
        rest = self._bytes - (PARTS_IN_FLIGHT + 1) * self.part_bytes
        rest -= streams * _BATCH_COPIES * self.batch_bytes(streams)
        share = rest // (streams + QUEUED_ROW_GROUPS + 2)
        if share < _MIN_ROW_GROUP_BYTES:
            raise BadQuery(
                f"memory_mb is {self.memory_mb}, too little for {streams} streams; "
                "give more, or fewer partitions"
            )
        return min(share, _MAX_ROW_GROUP_BYTES)

    @property
    def _bytes(self) -> int:
        return (self.memory_mb - _FIXED_MB) * MB
