from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.publish.manifest import Partition
from airflow_ml_provider.extract.publish.partition_range import PartitionRange

NAN = float("nan")
LONG = "m" * 5_000


def ranged(arrow, *row_groups):
    found = PartitionRange(pa.schema([("key", arrow)]), "key")
    for values in row_groups:
        found.add(pa.table({"other": pa.nulls(len(values)), "key": pa.array(values, arrow)}))
    return found.partition


@pytest.mark.parametrize(
    ("arrow", "row_groups", "minimum", "maximum"),
    [
        (pa.int64(), [[5, None, 7], [], [None], [6, -1]], "-1", "7"),
        (pa.bool_(), [[True], [False]], "False", "True"),
        # Parquet's footer leaves out long values.
        (pa.string(), [["x", LONG], ["b"], ["a" + LONG]], "a" + LONG, "x"),
        (pa.float64(), [[NAN], [NAN, 2.5], [1.5]], "1.5", "2.5"),
        (pa.float64(), [[NAN, None]], None, None),
        # A list has no range.
        (pa.list_(pa.int64()), [[[1]]], None, None),
    ],
)
def test_the_range_over_all_row_groups(arrow, row_groups, minimum, maximum):
    assert ranged(arrow, *row_groups) == Partition("key", minimum, maximum)


@pytest.mark.parametrize(
    ("arrow", "first", "minimum", "maximum"),
    [
        (pa.timestamp("us", "UTC"), -(10**17), "-1199-02-15 14:13:20.000000Z", "1970-01-01"),
        (pa.timestamp("us"), 4 * 10**17, "1970-01-01", "14645-06-30 15:06:40.000000"),
        (pa.timestamp("ns"), 1, "1970-01-01 00:00:00.000000001", "1970-01-01"),
    ],
)
def test_times_that_python_has_not(arrow, first, minimum, maximum):
    column = pa.array([first, 10**9 + 1], pa.int64()).view(arrow)
    found = PartitionRange(pa.schema([("key", arrow)]), "key")
    found.add(pa.table({"key": column}))
    assert found.partition.minimum.startswith(minimum)
    assert found.partition.maximum.startswith(maximum)


@pytest.mark.parametrize("column", [None, "b"])
def test_without_a_column_there_is_none(column):
    rows = pa.table({"a": [1]})
    found = PartitionRange(rows.schema, column)
    found.add(rows)
    assert found.partition is None
