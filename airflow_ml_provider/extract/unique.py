"""Whether keys are unique, exactly, for any number of rows in bounded memory.

Keys are sorted in memory, written to temporary files as sorted runs, and merged block by block, all
by Arrow, so that a row costs no Python. The files hold the keys alone and have no name, so nothing
is left even by a killed process.
"""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HELD_BYTES = 8 * 1024 * 1024
_BLOCK_ROWS = 4_096
_EXAMPLES = 3
_SORTABLE = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_decimal,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
    pa.types.is_duration,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)


def is_key_type(arrow: pa.DataType) -> bool:
    """Tell whether a column of the type can be part of a key; a float can't, for NaN's sake."""
    plain = arrow.value_type if pa.types.is_dictionary(arrow) else arrow
    return any(is_type(plain) for is_type in _SORTABLE)


class UniqueKeys:
    """Take the keys of all rows, and tell which of them occur more than once.

    A key is the values of ``columns``; rows with a NULL in it are passed over, as in SQL.
    40 to 70 MB are held at most.
    """

    def __init__(self, columns: Sequence[str], held_bytes: int = _HELD_BYTES) -> None:
        self._columns = list(columns)
        self._order = [(name, "ascending") for name in columns]
        self._most_bytes = held_bytes
        self._held: list[pa.Buffer] = []
        self._held_bytes = 0
        self._schema: pa.Schema | None = None
        self._files: list[IO[bytes]] = []
        self.repeated = 0
        """How many rows repeat the key of another one, after `finish`."""
        self.examples: list[dict[str, Any]] = []
        """The first keys that do."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the keys of a batch.

        :raises OSError: there is no room for temporary files.
        """
        arrays = [_plain(batch.column(name)) for name in self._columns]
        keys = pc.drop_null(pa.RecordBatch.from_arrays(arrays, names=self._columns))
        if keys.num_rows:
            self._schema = keys.schema
            # A copy, because a driver's batch stays in memory as a whole while a column of it does.
            self._held.append(keys.serialize())
            self._held_bytes += self._held[-1].size
            if self._held_bytes >= self._most_bytes:
                self._spill()

    def finish(self) -> None:
        """Count the repeated keys.

        :raises OSError: there is no room for temporary files.
        """
        if not self._files:
            self._count(self._taken())
            return
        self._spill()
        carried = None
        for largest, keys in self._merged():
            # The next step may begin with more of the key that this one ends with.
            self._count(pa.concat_tables([carried, keys]) if carried else keys)
            carried = largest

    def close(self) -> None:
        """Delete the temporary files."""
        for file in self._files:
            file.close()

    def _taken(self) -> pa.Table:
        batches = [pa.ipc.read_record_batch(buffer, self._schema) for buffer in self._held]
        self._held.clear()
        self._held_bytes = 0
        return pa.Table.from_batches(batches, self._schema or pa.schema([]))

    def _spill(self) -> None:
        keys = self._taken()
        if keys.num_rows:
            file = tempfile.TemporaryFile(prefix="airflow-ml-unique-")  # noqa: SIM115  closed later
            self._files.append(file)
            with pa.ipc.new_file(file, keys.schema) as writer:
                writer.write_table(keys.sort_by(self._order), max_chunksize=_BLOCK_ROWS)

    def _merged(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Give all keys in steps, with the largest key of each; a later step has none below it."""
        readers = [_blocks(file) for file in self._files]
        blocks = [next(reader, None) for reader in readers]
        while present := [block for block in blocks if block is not None]:
            ends = pa.concat_tables([block.slice(block.num_rows - 1) for block in present])
            largest = ends.sort_by(self._order).slice(0, 1)
            step = []
            for index, block in enumerate(blocks):
                if block is not None:
                    count = self._at_most(block, largest)
                    step.append(block.slice(0, count))
                    rest = block.slice(count)
                    blocks[index] = rest if rest.num_rows else next(readers[index], None)
            yield largest, pa.concat_tables(step)

    def _at_most(self, block: pa.Table, largest: pa.Table) -> int:
        mask = None
        for name in reversed(self._columns):
            column, value = block.column(name), largest.column(name)[0]
            if mask is None:
                mask = pc.less_equal(column, value)
            else:
                mask = pc.or_(pc.less(column, value), pc.and_(pc.equal(column, value), mask))
        return int(pc.sum(mask).as_py())

    def _count(self, keys: pa.Table) -> None:
        if not keys.num_rows:
            return
        counts = keys.group_by(self._columns, use_threads=False).aggregate([([], "count_all")])
        self.repeated += keys.num_rows - counts.num_rows
        if keys.num_rows > counts.num_rows and len(self.examples) < _EXAMPLES:
            found = counts.filter(pc.greater(counts["count_all"], 1)).select(self._columns)
            self.examples += rows_shown(found, _EXAMPLES - len(self.examples))


def rows_shown(rows: pa.Table | pa.RecordBatch, most: int) -> list[dict[str, Any]]:
    """Give the first rows as Python values, for a message."""
    first = rows.slice(0, most)
    columns = {
        # Python has no nanoseconds.
        name: column.cast(pa.string()) if pa.types.is_temporal(column.type) else column
        for name, column in zip(first.schema.names, first.columns)
    }
    return list(pa.table(columns).to_pylist())


def _plain(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return array.cast(array.type.value_type)
    # Arrow sorts it, and compares it, in some versions alone.
    return array.cast(pa.uint8()) if pa.types.is_boolean(array.type) else array


def _blocks(file: IO[bytes]) -> Iterator[pa.Table]:
    file.seek(0)
    reader = pa.ipc.open_file(file)
    for index in range(reader.num_record_batches):
        yield pa.Table.from_batches([reader.get_batch(index)])
