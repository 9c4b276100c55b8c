from __future__ import annotations

import logging
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.errors import SchemaDrift
from airflow_ml_provider.extract.runs.drift import Drift, answer, fitted
from airflow_ml_provider.extract.runs.history import Claim, History, State

BEFORE = pa.schema([("id", pa.int32()), ("name", pa.string()), ("day", pa.date32())])
NOW = pa.schema([("day", pa.date32()), ("id", pa.int64()), ("mail", pa.string())])
WIDENINGS = [
    (pa.int8(), pa.int16()),
    (pa.uint8(), pa.int16()),
    (pa.uint8(), pa.uint64()),
    (pa.int32(), pa.int64()),
    (pa.int32(), pa.float64()),
    (pa.int16(), pa.float32()),
    (pa.uint16(), pa.float32()),
    (pa.int8(), pa.decimal128(3, 0)),
    (pa.int64(), pa.decimal128(21, 2)),
    (pa.uint64(), pa.decimal128(20, 0)),
    (pa.float32(), pa.float64()),
    (pa.decimal128(10, 2), pa.decimal128(12, 2)),
    (pa.decimal128(10, 2), pa.decimal128(11, 3)),
    (pa.string(), pa.large_string()),
    (pa.binary(), pa.large_binary()),
    (pa.null(), pa.timestamp("us")),
]
INCOMPATIBLE = [
    (pa.int64(), pa.string()),
    (pa.int64(), pa.float64()),
    (pa.int32(), pa.float32()),
    (pa.int64(), pa.uint64()),
    (pa.int8(), pa.uint8()),
    (pa.int64(), pa.decimal128(20, 2)),
    (pa.uint64(), pa.decimal128(19, 0)),
    (pa.decimal128(10, 2), pa.decimal128(10, 3)),
    (pa.decimal128(10, 2), pa.float64()),
    (pa.date32(), pa.timestamp("us")),
    (pa.timestamp("us"), pa.timestamp("us", "UTC")),
    (pa.timestamp("us"), pa.timestamp("ns")),
    (pa.string(), pa.binary()),
    (pa.bool_(), pa.int8()),
    (pa.list_(pa.int32()), pa.list_(pa.int64())),
]
EXTREMES = {
    pa.int8(): [-128, 127],
    pa.uint8(): [0, 255],
    pa.int16(): [-(2**15), 2**15 - 1],
    pa.uint16(): [0, 2**16 - 1],
    pa.int32(): [-(2**31), 2**31 - 1],
    pa.int64(): [-(2**63), 2**63 - 1],
    pa.uint64(): [0, 2**64 - 1],
    pa.float32(): [1.5, float("inf"), float("-inf")],
    pa.decimal128(10, 2): [Decimal("99999999.99"), Decimal("-99999999.99")],
    pa.string(): ["", "ü"],
    pa.binary(): [b"", b"\0"],
    pa.null(): [],
}


def schemas(one, other):
    return pa.schema([("a", one)]), pa.schema([("a", other)])


@pytest.mark.parametrize("policy", ["fail", "evolve", "ignore"])
def test_without_an_earlier_run_there_is_no_drift(policy):
    assert answer(None, NOW, policy, "warehouse") == NOW


def test_fail_names_all_columns():
    with pytest.raises(SchemaDrift) as error:
        answer(BEFORE, NOW, "fail", "warehouse")
    message = str(error.value)
    assert message.startswith("warehouse: the columns are not those of the last run")
    assert "on_drift='fail'" in message
    assert "mend: on_drift='evolve' for this change, or name the columns" in message
    assert message.endswith(
        "\n  - mail (string) is new\n  - name (string) is gone\n  - id was int32 and is int64"
    )


def test_the_order_of_columns_is_no_drift():
    turned = pa.schema(list(BEFORE)[::-1])
    assert answer(BEFORE, turned, "fail", "w") == BEFORE


def test_whether_a_column_may_be_null_and_metadata_are_no_drift():
    other = pa.schema(
        [pa.field(f.name, f.type, nullable=False).with_metadata({"a": "b"}) for f in BEFORE]
    )
    assert answer(BEFORE, other, "fail", "w") == BEFORE


def test_ignore_writes_what_comes(caplog):
    assert answer(BEFORE, NOW, "ignore", "w") == NOW
    assert not caplog.messages


def test_evolve_keeps_takes_and_widens(caplog):
    caplog.set_level(logging.WARNING)
    schema = answer(BEFORE, NOW, "evolve", "warehouse")
    assert schema == pa.schema(
        [("id", pa.int64()), ("name", pa.string()), ("day", pa.date32()), ("mail", pa.string())]
    )
    assert "id was int32 and is int64" in caplog.text
    # And again there is none.
    assert answer(schema, schema, "fail", "warehouse") == schema


@pytest.mark.parametrize(("narrow", "wide"), WIDENINGS, ids=str)
def test_a_wider_type_is_taken_and_a_narrower_one_cast(narrow, wide):
    for before, now in ((narrow, wide), (wide, narrow)):
        schema = answer(*schemas(before, now), "evolve", "w")
        assert schema.field("a").type == wide
    # The cast changes no value: back again they are what they were.
    values = pa.array([*EXTREMES[narrow], None], narrow)
    batch = fitted(pa.record_batch([values], names=["a"]), schema)
    assert batch.schema == schema
    assert pa.types.is_null(narrow) or batch.column(0).cast(narrow).equals(values)


@pytest.mark.parametrize(("one", "other"), INCOMPATIBLE, ids=str)
def test_types_that_do_not_hold_each_other_fail_under_evolve(one, other):
    for before, now in ((one, other), (other, one)):
        with pytest.raises(SchemaDrift) as error:
            answer(*schemas(before, now), "evolve", "w")
        assert f"a was {before} and is {now}; neither holds" in str(error.value)
        assert "mend: name the columns" in str(error.value)


def test_rows_are_fitted():
    noon = datetime(2026, 1, 1, tzinfo=timezone.utc)
    batch = pa.record_batch(
        {"t": pa.array([noon, None]), "b": pa.array([1, None], pa.int8()), "x": ["a", "b"]}
    )
    schema = pa.schema(
        [("gone", pa.list_(pa.date32())), ("b", pa.int64()), batch.schema.field("t")]
    )
    for rows in (batch, pa.table(batch)):
        result = fitted(rows, schema)
        assert (type(result), result.schema) == (type(rows), schema)
        assert result.to_pylist() == [
            {"gone": None, "b": 1, "t": noon},
            {"gone": None, "b": None, "t": None},
        ]


def test_rows_that_fit_are_not_touched():
    batch = pa.record_batch({"day": [date(2026, 1, 1)]})
    assert fitted(batch, batch.schema) is batch


@pytest.fixture
def history(s3):
    return History(lambda: s3, "s3://bucket/flights/_history/orders.json")


def test_runs_compare_with_what_was_published(history):
    Drift(history, "fail", "warehouse", "ab").published(BEFORE)
    with pytest.raises(SchemaDrift):
        Drift(history, "fail", "warehouse", "ab").answer(NOW)
    # Nothing was published by the run that failed.
    evolved = Drift(history, "evolve", "warehouse", "ab").answer(NOW)
    Drift(history, "evolve", "warehouse", "ab").published(evolved)
    assert Drift(history, "evolve", "warehouse", "ab").answer(BEFORE) == evolved


def test_a_changed_query_begins_anew(history):
    Drift(history, "fail", "warehouse", "ab").published(BEFORE)
    assert Drift(history, "fail", "warehouse", "cd").answer(NOW) == NOW
    Drift(history, "fail", "warehouse", "cd").published(NOW)
    with pytest.raises(SchemaDrift):
        Drift(history, "fail", "warehouse", "cd").answer(BEFORE)


def test_a_run_of_a_window_is_marked(history):
    noon = datetime(2026, 1, 1, tzinfo=timezone.utc)
    claims = Claim("a", None, 1, noon), Claim("b", 1, 2, noon)
    history.update(lambda _state: State("id", claims))
    drift = Drift(history, "fail", "warehouse", "ab", run="b")
    drift.published(BEFORE)
    state = history.read()
    assert [claim.published for claim in state.claims] == [False, True]
    assert state.published.schema == BEFORE
    drift.published(BEFORE)
    assert history.read() == state
