"""The table changes between runs, and the query does not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from extract_steps import Step

from airflow_ml_provider.extract.errors import SchemaDrift


@pytest.fixture
def drifted(step: Any) -> Any:
    """Give a step whose table has one column more than when it ran last, and one less."""
    step.options = {"columns": {"id": "int64", "day": "date32"}}
    step.insert((1, "2026-01-01", 10))
    assert step.run("monday") == [1]
    step.sql("alter table orders add column note text")
    step.sql("alter table orders drop column amount")
    step.insert((2, "2026-01-02", "new"))
    return step


def amount_type(step):
    return step.published("monday").schema.field("amount").type


def test_fail_names_the_columns_and_publishes_nothing(drifted, keys):
    before = keys()
    for run in ("tuesday", "monday"):
        with pytest.raises(SchemaDrift) as error:
            drifted.run(run)
        assert str(error.value).endswith(
            f"\n  - note (string) is new\n  - amount ({amount_type(drifted)}) is gone"
        )
    assert keys() == before
    assert drifted.ids("monday") == [1]


def test_evolve_keeps_what_is_gone_as_null(drifted):
    assert drifted.run("tuesday", on_drift="evolve") == [1, 2]
    table = drifted.published("tuesday")
    assert table.schema == pa.schema(
        [
            ("id", pa.int64()),
            ("day", pa.date32()),
            ("amount", amount_type(drifted)),
            ("note", pa.string()),
        ]
    )
    assert [row["amount"] for row in table.to_pylist()] == [None, None]
    assert [row["note"] for row in table.to_pylist()] == [None, "new"]
    # What was gone may come back.
    drifted.sql("alter table orders add column amount integer")
    drifted.sql("update orders set amount = 5")
    drifted.run("wednesday", on_drift="evolve")
    assert drifted.published("wednesday").schema == table.schema
    assert drifted.published("wednesday")["amount"].to_pylist() == [5, 5]


def test_ignore_writes_what_comes(drifted):
    drifted.run("tuesday", on_drift="ignore")
    assert drifted.published("tuesday").schema.names == ["id", "day", "note"]
    # The next run compares with that.
    assert drifted.run("wednesday") == [1, 2]


def test_a_changed_query_begins_anew(drifted):
    fields = {"table": None, "query": "select id, day, note from orders"}
    assert drifted.run("tuesday", **fields) == [1, 2]
    drifted.options |= {"table": None, "query": "select orders.* from orders"}
    assert drifted.run("wednesday") == [1, 2]
    drifted.sql("alter table orders rename column note to remark")
    with pytest.raises(SchemaDrift, match=r"remark \(string\) is new\n  - note \(string\) is gone"):
        drifted.run("thursday")


def test_another_order_of_columns_is_no_drift(drifted):
    drifted.run("tuesday", on_drift="evolve")
    drifted.sql("alter table orders drop column day")
    drifted.sql("alter table orders add column amount integer")
    drifted.sql("alter table orders add column day date")
    drifted.sql("update orders set day = '2026-01-05', amount = 5")
    drifted.run("wednesday")
    names = drifted.published("tuesday").schema.names
    assert drifted.published("wednesday").schema.names == names
    assert drifted.published("wednesday")["amount"].to_pylist() == [5, 5]


def test_wider_and_narrower_types_on_postgresql(parameters, bucket, name, client):
    step = Step(parameters, f"s3://{bucket}/{name}", client("s3"))
    step.sql("create table orders (id integer, price numeric(6, 2), kind varchar(5))")
    step.insert((1, "1.50", "a"))
    step.run("monday")
    step.sql("alter table orders alter id type bigint, alter price type numeric(5, 1)")
    step.sql("alter table orders alter kind type text")
    step.insert((2**40, "2.5", "b"))
    with pytest.raises(SchemaDrift) as error:
        step.run("tuesday")
    assert str(error.value).endswith(
        "\n  - id was int32 and is int64\n  - price was decimal128(6, 2) and is decimal128(5, 1)"
    )
    assert step.run("tuesday", on_drift="evolve") == [1, 2**40]
    table = step.published("tuesday")
    assert table.schema.field("price").type == pa.decimal128(6, 2)
    assert [str(price) for price in table["price"].to_pylist()] == ["1.50", "2.50"]
    step.sql("alter table orders alter price type text")
    with pytest.raises(SchemaDrift, match=r"price was decimal128\(6, 2\) and is string; neither"):
        step.run("wednesday", on_drift="evolve")
