from __future__ import annotations

import os
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from airflow_ml_provider.extract import unique
from airflow_ml_provider.extract.unique import UniqueKeys, is_key_type

KEYS = {
    pa.int64(): [3, -1, 2**63 - 1],
    pa.uint64(): [0, 2**64 - 1, 5],
    pa.bool_(): [True, False],
    pa.decimal128(38, 2): [Decimal("1.10"), Decimal("-1.10"), Decimal(10**35)],
    pa.date32(): [date(2026, 1, 1), date(1, 1, 1)],
    pa.timestamp("us"): [0, 1, -1],
    pa.timestamp("ns"): [0, 1, 2],
    pa.time64("us"): [0, 1],
    pa.duration("us"): [0, -1],
    pa.string(): ["", "a", "ä", "\U0001f600", "￿"],
    pa.large_string(): ["a", "b"],
    pa.binary(): [b"", b"\0", b"\xff"],
    pa.binary(2): [b"\0\0", b"\xff\0"],
    pa.dictionary(pa.int8(), pa.string()): ["a", "b"],
}


def found(columns, table, rows=10, **options):
    keys = UniqueKeys(columns, **options)
    for batch in table.to_batches(max_chunksize=rows):
        keys.add(batch)
    keys.finish()
    keys.close()
    return keys


@pytest.mark.parametrize("held_bytes", [1, 1 << 24])
@pytest.mark.parametrize(("arrow", "values"), KEYS.items(), ids=str)
def test_every_type_of_a_key(arrow, values, held_bytes):
    assert is_key_type(arrow)
    once = pa.table({"a": pa.array([*values, None, None], arrow)})
    assert found(["a"], once, rows=1, held_bytes=held_bytes).repeated == 0
    more = pa.concat_tables([once, once.slice(0, 1)])
    keys = found(["a"], more, rows=1, held_bytes=held_bytes)
    assert keys.repeated == 1
    assert len(keys.examples) == 1


@pytest.mark.parametrize(
    "arrow", [pa.float64(), pa.float16(), pa.list_(pa.int8()), pa.month_day_nano_interval()]
)
def test_what_can_not_be_compared_exactly_is_no_key(arrow):
    assert not is_key_type(arrow)


@pytest.mark.parametrize("seed", range(30))
def test_the_count_is_exact(seed, monkeypatch):
    """Whatever is spilled, and wherever equal keys are cut by blocks, runs and steps."""
    random = Random(seed)
    monkeypatch.setattr(unique, "_BLOCK_ROWS", random.choice([1, 7, 100]))
    count, most = random.choice([0, 1, 40, 300]), random.choice([1, 3, 50, 10**6])
    numbers = [None if random.random() < 0.05 else random.randrange(most) for _ in range(count)]
    texts = [random.choice("xyz") * random.randrange(3) for _ in range(count)]
    table = pa.table({"a": pa.array(numbers, pa.int64()), "b": pa.array(texts, pa.string())})
    options = {"rows": random.choice([10, 100]), "held_bytes": random.choice([1, 2_000, 1 << 24])}
    for columns in (["a"], ["b"], ["a", "b"], ["b", "a"]):
        rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
        keys = [row for row in rows if None not in row]
        result = found(columns, table, **options)
        assert result.repeated == len(keys) - len(set(keys))
        assert len(result.examples) <= 3
        for example in result.examples:
            assert keys.count(tuple(example[name] for name in columns)) > 1


def test_one_key_alone(monkeypatch):
    monkeypatch.setattr(unique, "_BLOCK_ROWS", 4)
    table = pa.table({"a": pa.array([5] * 1_000)})
    keys = found(["a"], table, held_bytes=200)
    assert (keys.repeated, keys.examples[0]) == (999, {"a": 5})


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_memory_is_bounded_and_files_have_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = 100_000
    random = Random(1)
    numbers = list(range(200_000))
    random.shuffle(numbers)
    table = pa.table({"a": pa.array(numbers), "wide": pa.array([b"x" * 50] * len(numbers))})
    before = open_files()
    keys = UniqueKeys(["a"], held_bytes=held)
    for batch in table.to_batches(max_chunksize=10_000):
        keys.add(batch)
        assert keys._held_bytes < held
    assert sum(os.fstat(file.fileno()).st_size for file in keys._files) > 8 * 180_000
    assert list(tmp_path.iterdir()) == []
    del table
    start = pa.total_allocated_bytes()
    peak = 0
    for _largest, step in keys._merged():
        peak = max(peak, pa.total_allocated_bytes() - start)
        assert step.num_rows
    assert 0 < peak < 8 * 200_000 / 2
    keys.close()
    assert open_files() == before


def test_a_batch_is_not_kept_for_its_key():
    """A driver's batch is one allocation, which would live as long as its smallest column."""
    wide = pa.record_batch({"a": [1], "wide": [b"x" * 1_000_000]})
    whole = pa.ipc.read_record_batch(wide.serialize(), wide.schema)
    keys = UniqueKeys(["a"])
    before = pa.total_allocated_bytes()
    keys.add(whole)
    assert pa.total_allocated_bytes() - before < 10_000
    del wide, whole
    assert pa.total_allocated_bytes() < before
