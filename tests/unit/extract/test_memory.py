from __future__ import annotations

import pytest

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.memory import (
    BATCH_BYTES,
    MB,
    MIN_MEMORY_MB,
    PARTS_IN_FLIGHT,
    Memory,
)
from airflow_ml_provider.pipeline import extract_options


@pytest.mark.parametrize("memory_mb", [MIN_MEMORY_MB, 300, 2_000])
@pytest.mark.parametrize("streams", [1, 2, 4])
def test_everything_together_fits(memory_mb, streams):
    memory = Memory(memory_mb)
    batches = 4 * streams * memory.batch_bytes(streams)
    groups = (streams + 3) * memory.row_group_bytes(streams)
    parts = (PARTS_IN_FLIGHT + 1) * memory.part_bytes
    assert batches + groups + parts <= (memory_mb - 140) * MB
    assert memory.part_bytes >= 5 * MB


def test_more_streams_make_smaller_row_groups():
    sizes = [Memory(300).row_group_bytes(streams) for streams in (1, 2, 8)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("memory_mb", [-1, 0, MIN_MEMORY_MB - 1])
def test_too_little(memory_mb):
    with pytest.raises(BadQuery, match=f"memory_mb is {memory_mb}; give at least {MIN_MEMORY_MB}"):
        Memory(memory_mb)


def test_batches_are_as_large_as_there_is_room():
    sizes = [Memory(300).batch_bytes(streams) / MB for streams in (1, 2, 4, 8, 16)]
    assert sizes == [4, 4, 2, 1, 1]
    assert MB < Memory(MIN_MEMORY_MB).batch_bytes(1) < 4 * MB
    assert Memory(2_000).batch_bytes(1) == BATCH_BYTES


def test_too_many_streams():
    with pytest.raises(BadQuery, match="memory_mb is 192, too little for 64 streams"):
        Memory(MIN_MEMORY_MB).row_group_bytes(64)


def test_definitions_know_the_least_that_will_do():
    assert extract_options.MIN_MEMORY_MB == MIN_MEMORY_MB
