"""Types that drivers give; tests/databases reads real ones."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.adbc.source import plain, written
from airflow_ml_provider.extract.columns import array_of
from airflow_ml_provider.extract.errors import TypeMismatch

ENUM = pa.dictionary(pa.int8(), pa.string())


@pytest.mark.parametrize(
    ("given", "arrow"),
    [
        (pa.int8(), pa.int8()),
        (ENUM, pa.string()),
        (pa.large_string(), pa.string()),
        (pa.binary(16), pa.binary()),
        (pa.float16(), pa.float32()),
        (pa.date64(), pa.date32()),
        (pa.time32("s"), pa.time64("us")),
        (pa.time64("ns"), pa.time64("ns")),
        (pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("ns", "UTC")),
        (pa.timestamp("s"), pa.timestamp("s")),
        (pa.decimal256(38, 9), pa.decimal128(38, 9)),
        (pa.decimal256(76, 38), None),
        (pa.large_list(ENUM), pa.list_(pa.string())),
        (pa.map_(pa.string(), ENUM), pa.map_(pa.string(), pa.string())),
        (pa.struct([("a", ENUM)]), pa.struct([("a", pa.string())])),
        (pa.struct([("a", pa.null())]), None),
        (pa.list_(pa.decimal256(76, 0)), None),
        (pa.null(), None),
        (pa.duration("s"), None),
        (pa.month_day_nano_interval(), None),
    ],
)
def test_types_that_every_reader_knows(given, arrow):
    assert written(given) == arrow
    if arrow is not None:
        assert plain(pa.nulls(2, given)).type == arrow


def test_values_stay_what_they_are():
    enum = pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), ["x"])
    assert plain(enum).to_pylist() == ["x", None]
    wide = pa.array([Decimal("1.5"), None], pa.decimal256(38, 1))
    assert plain(wide).to_pylist() == [Decimal("1.5"), None]


def test_an_extension_is_its_storage():
    storage = pa.array(["{}"])
    array = pa.ExtensionArray.from_storage(pa.json_(), storage) if hasattr(pa, "json_") else storage
    assert written(array.type) == pa.string()
    assert plain(array).to_pylist() == ["{}"]


def test_text_of_a_driver_that_is_no_utf8_is_refused():
    (_, offsets, _) = pa.array(["a"]).buffers()
    broken = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    with pytest.raises(TypeMismatch, match=r"column a, rows 5 to 5 hold text that is not UTF-8"):
        array_of("wh", pa.field("a", pa.string()), broken, 5)


@pytest.mark.parametrize(
    ("values", "target", "why"),
    [
        ([1, 300], pa.int8(), r"row 6, 300 \(int\) does not fit int8"),
        ([1, 2], pa.bool_(), r"row 6, 2 \(int\) does not fit bool"),
        ([1.0, 1.5], pa.int64(), r"row 6, 1.5 \(float\)"),
        ([1.0, 1e300], pa.float32(), "too large for float32"),
        ([1.5], pa.decimal128(9, 2), "float64 can't be written as decimal128"),
        ([True], pa.int8(), "bool can't be written as int8"),
    ],
)
def test_what_would_be_lost_is_refused_by_name(values, target, why):
    with pytest.raises(TypeMismatch, match=rf"^wh: column a, .*{why}"):
        array_of("wh", pa.field("a", target), pa.array(values), 5)
