from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.postgres.partitions import Share, shares
from airflow_ml_provider.extract.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Answers:
    """A server that answers what it is told to, by the beginning of what it is asked."""

    plan: Mapping[str, Any] = field(default_factory=lambda: {"Node Type": "Seq Scan"})
    counts: list[tuple[str | None, int]] = field(default_factory=list)
    family: list[tuple[str, str, str | None, int]] = field(default_factory=list)
    asked: list[tuple[str, Mapping[str, object] | None]] = field(default_factory=list)

    def render(self, selection: Selection, *, select: str = "*") -> str:
        return f"<{select}>"

    def rows(self, text: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        self.asked.append((text, values))
        if text.startswith("explain"):
            return [([{"Plan": {"Plan Rows": 100, **self.plan}}],)]
        if text.startswith("select distinct proname"):
            return [("random",), ("gen_random_uuid",)]
        if text.startswith("select value::text"):
            return list(self.counts)
        return list(self.family)


def by_column(partitions: int, counts: list[tuple[str | None, int]]) -> list[list[str | None]]:
    """Share a column's values out, and give the values that each share's condition selects."""
    selection = Selection("warehouse", table="t", partitions=partitions, partition_by="c")
    found = []
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("create table t (c text)")
        database.executemany("insert into t values (?)", [(value,) for value, _ in counts])
        for share in shares(selection, ["c"], Answers(counts=counts)):
            statement = selection.statement("named", where=share.where, values=share.values)
            cursor = database.execute(statement.text, dict(statement.values or {}))
            found.append([value for (value,) in cursor])
    return found


def by_pages(partitions: int, *sizes: int) -> list[str]:
    selection = Selection("warehouse", table="flights", partitions=partitions)
    family = [(f"t{size}", "r", "heap", size) for size in sizes]
    found = shares(selection, ["a"], Answers(family=family))
    assert not any(share.values for share in found)
    return [" and ".join(share.where) for share in found]


def test_one_partition_asks_nothing() -> None:
    server = Answers()
    selection = Selection("warehouse", table="t", partition_by="whatever")
    assert shares(selection, ["a"], server) == (Share(),)
    assert server.asked == []


def test_rare_values_become_ranges_of_about_as_many_rows() -> None:
    assert by_column(2, [("a", 1), ("b", 1), ("c", 1), ("d", 1)]) == [["a", "b"], ["c", "d"]]
    assert by_column(3, [("a", 5), ("b", 1), ("c", 1), ("d", 1), ("e", 1)]) == [
        ["a"],
        ["b", "c"],
        ["d", "e"],
    ]


def test_a_range_is_never_empty() -> None:
    assert by_column(4, [("a", 1)]) == [["a"]]
    assert by_column(4, [("a", 1), ("b", 1)]) == [["a"], ["b"]]
    assert by_column(4, [("a", 1), ("b", 9)]) == [["a"], ["b"]]
    assert by_column(2, [("a", 9), ("b", 1)]) == [["a"], ["b"]]


def test_nulls_are_in_the_first_range_and_count() -> None:
    assert by_column(2, [("a", 1), ("b", 1), ("c", 1), ("d", 1), (None, 3)]) == [
        ["a", None],
        ["b", "c", "d"],
    ]


def test_few_values_are_dealt_out_by_how_many_rows_have_them() -> None:
    assert by_column(2, [("a", 40), ("b", 30), ("c", 30), ("d", 20)]) == [["a", "d"], ["b", "c"]]
    assert by_column(2, [("f", 10), ("t", 90)]) == [["t"], ["f"]]


def test_the_first_set_has_the_nulls_and_what_no_other_has() -> None:
    selection = Selection("warehouse", table="t", partitions=3, partition_by="c")
    answers = Answers(counts=[("a", 60), ("b", 50), (None, 100)])
    values = {"airflow_ml_share_0": "a", "airflow_ml_share_1": "b"}
    assert shares(selection, ["c"], answers) == (
        Share(('"c" is null or "c" not in (:airflow_ml_share_0, :airflow_ml_share_1)',), values),
        Share(('"c" in (:airflow_ml_share_0)',), values),
        Share(('"c" in (:airflow_ml_share_1)',), values),
    )


@pytest.mark.parametrize("counts", [[], [(None, 7)], [("a", 100)], [("a", 100), (None, 7)]])
def test_nothing_to_share_is_one_share(counts: list[tuple[str | None, int]]) -> None:
    selection = Selection("warehouse", table="t", partitions=3, partition_by="c")
    if counts == [("a", 100), (None, 7)]:
        assert len(shares(selection, ["c"], Answers(counts=counts))) == 2
    else:
        assert shares(selection, ["c"], Answers(counts=counts)) == (Share(),)


def test_the_sample_is_bounded_whatever_the_planner_thinks() -> None:
    selection = Selection("warehouse", table="t", partitions=3, partition_by='a"b')
    for rows, rate in ((1e9, "0.0001"), (200_000, "0.5"), (10, "1.0"), (0, "1.0")):
        server = Answers(plan={"Node Type": "Seq Scan", "Plan Rows": rows})
        shares(selection, ['a"b'], server)
        ((text, values),) = [asked for asked in server.asked if "value::text" in asked[0]]
        assert f"random() < {rate} order by random() limit 10000" in text
        assert '<"a""b">' in text
        assert values is None


def test_an_unknown_column_is_refused_with_those_that_are_there() -> None:
    selection = Selection("warehouse", table="t", partitions=2, partition_by="ID")
    with pytest.raises(BadQuery, match=r"warehouse: partition_by 'ID' is not one .* \(id, name\)"):
        shares(selection, ["id", "name"], Answers())


def test_a_column_without_an_order_is_named() -> None:
    class NoOrder(Answers):
        def rows(self, text: str, values: Mapping[str, object] | None = None) -> Any:
            if "sampled" in text:
                raise BadQuery("warehouse: no ordering operator for type json")
            return super().rows(text, values)

    selection = Selection("warehouse", table="t", partitions=2, partition_by="doc")
    with pytest.raises(BadQuery, match=r"type json; mend: another .* than 'doc'"):
        shares(selection, ["doc"], NoOrder())


def test_pages_are_cut_into_equal_ranges_with_open_ends() -> None:
    assert by_pages(3, 900) == [
        "ctid < '(300,0)'",
        "ctid >= '(300,0)' and ctid < '(600,0)'",
        "ctid >= '(600,0)'",
    ]


def test_pages_of_a_partitioned_table_are_cut_by_their_sum() -> None:
    # Below page 50 lie 50 + 50 + 10 of 210 pages: the least cut with 105 on its left is 48.
    assert by_pages(2, 100, 100, 10) == ["ctid < '(48,0)'", "ctid >= '(48,0)'"]


@pytest.mark.parametrize("sizes", [(), (0,), (1,), (0, 0)])
def test_too_few_pages_are_one_share(sizes: tuple[int, ...]) -> None:
    assert by_pages(4, *sizes) in ([], [""])


def test_there_are_no_more_shares_than_pages() -> None:
    assert len(by_pages(8, 3)) == 3


def test_a_query_has_no_pages() -> None:
    selection = Selection("warehouse", query="select 1", partitions=2)
    with pytest.raises(BadQuery, match=r"partitions=2 of a query .* mend: name a column"):
        shares(selection, ["a"], Answers())


def test_all_tables_without_pages_are_named() -> None:
    family: list[tuple[str, str, str | None, int]] = [
        ("a", "r", "heap", 10),
        ("b", "f", None, 0),
        ("c", "r", "columnar", 5),
    ]
    selection = Selection("warehouse", table="s.t", partitions=2)
    server = Answers(family=family)
    with pytest.raises(BadQuery, match=r"table 's\.t' .* not one is: b, c; mend: name a column"):
        shares(selection, ["a"], server)
    assert server.asked[0][1] == {"table": '"s"."t"'}


def refused(**plan: Any) -> str:
    selection = Selection("warehouse", query="select ...", partitions=2, partition_by="a")
    with pytest.raises(BadQuery, match="mend: give such values as parameters") as caught:
        shares(selection, ["a"], Answers(plan=plan))
    return str(caught.value).partition("each time: ")[2].partition(";")[0]


def allowed(**plan: Any) -> None:
    selection = Selection("warehouse", query="select ...", partitions=2, partition_by="a")
    shares(selection, ["a"], Answers(plan=plan))


def test_what_differs_from_run_to_run_is_refused_anywhere_in_the_plan() -> None:
    scan = {"Node Type": "Seq Scan", "Filter": "(t.at < now())", "Output": ["a", "random()"]}
    limit = {"Node Type": "Limit", "Plans": [scan, {"Node Type": "Sample Scan"}]}
    assert refused(**{"Node Type": "Hash Join", "Plans": [limit]}) == (
        "limit, now, random, tablesample"
    )
    assert refused(**{"Node Type": "Result", "Output": ["(CURRENT_DATE - 1)"]}) == "CURRENT_DATE"
    assert refused(**{"Node Type": "Result", "Output": ['"public"."random"(1)']}) == "random"


def test_names_and_texts_are_no_calls() -> None:
    texts = ["'now()'::text", "'it''s random()'::text", '"random"', "now", '"CURRENT_DATE"']
    allowed(**{"Node Type": "Seq Scan", "Output": texts})


def test_the_limit_of_the_planner_and_a_repeatable_sample_are_allowed() -> None:
    scan = {"Node Type": "Index Only Scan", "Index Cond": "(t.a IS NOT NULL)"}
    planners = {"Node Type": "Limit", "Parent Relationship": "InitPlan", "Plans": [scan]}
    allowed(**{"Node Type": "Result", "Plans": [planners]})
    allowed(**{"Node Type": "Sample Scan", "Repeatable Seed": "'1'::double precision"})


def test_the_plan_may_come_as_text() -> None:
    class Texts(Answers):
        def rows(self, text: str, values: Mapping[str, object] | None = None) -> Any:
            rows = super().rows(text, values)
            return [(json.dumps(rows[0][0]),)] if text.startswith("explain") else rows

    selection = Selection("warehouse", query="select ...", partitions=2, partition_by="a")
    assert len(shares(selection, ["a"], Texts(counts=[("1", 1), ("2", 1)]))) == 2
