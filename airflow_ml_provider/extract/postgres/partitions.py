"""The shares of a PostgreSQL selection that streams read at the same time.

Every row is in exactly one share, whatever is known of the rows: the conditions cover all values,
and what the server is asked for only makes the shares even. The streams need one snapshot.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.statement import quoted, table_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from airflow_ml_provider.extract.selection import Selection

_SAMPLE_ROWS = 10_000
# The planner may take a selection for that many times larger than it is.
_SPARE = 10
# Values seen this often in the sample are few: nearly all rows have one of them.
_SEEN = 10
_NAME = "airflow_ml_share_"

_PAGES = """
with recursive family(oid) as (
    select to_regclass(%(table)s)::oid
    union
    select i.inhrelid from pg_catalog.pg_inherits i join family f on i.inhparent = f.oid
)
select c.oid::regclass::text, c.relkind::text, a.amname::text,
    pg_relation_size(c.oid) / current_setting('block_size')::int
from family f join pg_catalog.pg_class c on c.oid = f.oid
    left join pg_catalog.pg_am a on a.oid = c.relam
where c.relkind <> 'p'
"""
_VOLATILE = "select distinct proname::text from pg_catalog.pg_proc where provolatile = 'v'"
# These stand still within one transaction, and every stream has a transaction of its own.
_CLOCKS = {"now", "transaction_timestamp", "statement_timestamp"}
_CLOCK_WORDS = {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"}
_TOKEN = re.compile(r"""'(?:[^']|'')*'|(?P<name>"(?:[^"]|"")*"|\w+)(?P<call>\()?""")


@dataclass(frozen=True)
class Share:
    """A part of the rows, as `Selection.statement` takes it."""

    where: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)


class Server(Protocol):
    """The transaction that decides on the shares. Its ``datestyle`` has to be ISO."""

    def render(self, selection: Selection, *, select: str = "*") -> str:
        """Give a selection's statement with its values in it, quoted by the driver."""

    def rows(self, text: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement; ``%(name)s`` in it is bound by the driver if there are values."""


def shares(selection: Selection, columns: Collection[str], server: Server) -> tuple[Share, ...]:
    """Give at most ``selection.partitions`` shares, of about as many rows or pages each.

    By a column they come from a sample of its values: ranges, or sets of values where there are
    few. It costs one scan, and skew and gaps don't matter. Without a column they are ranges of the
    table's pages (https://www.postgresql.org/docs/current/ddl-system-columns.html), which the
    server reads without an index, since PostgreSQL 14 without the other pages.

    :param columns: the names of the selection's columns.
    :raises BadQuery: the selection can't be partitioned like this; the message says what can.
    """
    if selection.partitions <= 1:
        return (Share(),)
    if selection.partition_by is None:
        return _pages(selection, server)
    if selection.partition_by not in columns:
        raise BadQuery(
            f"{selection.name}: partition_by {selection.partition_by!r} is not one of the columns "
            f"({', '.join(columns)})"
        )
    rows = _reproducible(selection, server)
    return _by_column(selection, selection.partition_by, rows, server)


def _pages(selection: Selection, server: Server) -> tuple[Share, ...]:
    mend = "mend: name a column in partition_by, or read it with partitions=1"
    if selection.table is None:
        raise BadQuery(
            f"{selection.name}: partitions={selection.partitions} of a query need a column to "
            f"share its rows by; {mend}"
        )
    family = server.rows(_PAGES, {"table": table_name(selection.table)})
    # Views have no pages, and those of a foreign table or a columnar one mean something else.
    heap = ("heap", None)  # before PostgreSQL 12 there was nothing else
    other = [name for name, kind, access, _ in family if kind not in "rm" or access not in heap]
    if other:
        raise BadQuery(
            f"{selection.name}: partitions={selection.partitions} of table {selection.table!r} "
            "need ranges of pages, which only ordinary tables have; not one is: "
            f"{', '.join(other)}; {mend}"
        )
    # All tables below a partitioned or inherited one are cut at the same page numbers.
    sizes = [size for *_, size in family]
    wanted = (sum(sizes) * k / selection.partitions for k in range(1, selection.partitions))
    edges = sorted({_page(sizes, pages) for pages in wanted} - {0, max(sizes, default=0)})
    conditions = _between("ctid", [f"'({page},0)'" for page in edges], "<", ">=")
    return tuple(Share((condition,)) for condition in conditions) or (Share(),)


def _page(sizes: Sequence[int], wanted: float) -> int:
    low, high = 0, max(sizes, default=0)
    while low < high:
        middle = (low + high) // 2
        if sum(min(size, middle) for size in sizes) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def _between(name: str, edges: Sequence[str], until: str, since: str) -> list[str]:
    if not edges:
        return []
    middle = [f"{name} {since} {a} and {name} {until} {b}" for a, b in zip(edges, edges[1:])]
    return [f"{name} {until} {edges[0]}", *middle, f"{name} {since} {edges[-1]}"]


def _by_column(selection: Selection, column: str, rows: float, server: Server) -> tuple[Share, ...]:
    rate = min(1.0, _SPARE * _SAMPLE_ROWS / max(1.0, rows))
    name = quoted(column)
    # The rows of the statement stay on lines of their own, since it may end in a comment.
    sampled = (
        "select value::text, count(*) from (\n"  # noqa: S608  rendered by the driver
        f"select value from (\n{server.render(selection, select=name)}\n) selected(value)\n"
        f"where random() < {rate!r} order by random() limit {_SAMPLE_ROWS}\n"
        ") sampled group by value order by sampled.value"
    )
    try:
        found = server.rows(sampled)
    except BadQuery as error:
        raise BadQuery(
            f"{error}; mend: another column than {column!r} in partition_by, one that has an order"
        ) from error
    nulls = sum(count for value, count in found if value is None)
    counts = {value: count for value, count in found if value is not None}
    if sum(counts.values()) >= _SEEN * len(counts):
        return _sets(name, _dealt(counts, nulls, selection.partitions))
    return _ranges(name, _cuts(counts, nulls, selection.partitions))


def _cuts(counts: Mapping[str, int], nulls: int, partitions: int) -> list[str]:
    """Give the values after which to cut, so that each share takes its part of what is left."""
    values = list(counts)
    upto = list(accumulate(counts.values(), initial=nulls))[1:]
    cuts = [-1]
    taken = 0
    for left in range(partitions, 1, -1):
        wanted = taken + (upto[-1] - taken) / left
        cut = bisect_left(upto, wanted)
        if cut - 1 > cuts[-1] and wanted - upto[cut - 1] < upto[cut] - wanted:
            cut -= 1
        if cut == len(values) - 1:
            break
        cuts.append(cut)
        taken = upto[cut]
    return [values[cut] for cut in cuts[1:]]


def _ranges(name: str, cuts: Sequence[str]) -> tuple[Share, ...]:
    # Without a cast the server takes them for the column's type, whatever it is.
    values = {f"{_NAME}{index}": value for index, value in enumerate(cuts)}
    conditions = _between(name, [f":{value}" for value in values], "<=", ">")
    conditions[:1] = [f"{first} or {name} is null" for first in conditions[:1]]
    return tuple(Share((condition,), values) for condition in conditions) or (Share(),)


def _dealt(counts: Mapping[str, int], nulls: int, partitions: int) -> list[list[str]]:
    """Deal values out, the most frequent first, each to whom has the fewest rows; NULLs lead."""
    hands: list[list[str]] = [[] for _ in range(partitions)]
    rows = [nulls] + [0] * (partitions - 1)
    for value in sorted(counts, key=lambda value: -counts[value]):
        fewest = rows.index(min(rows))
        hands[fewest].append(value)
        rows[fewest] += counts[value]
    return hands


def _sets(name: str, hands: Sequence[Sequence[str]]) -> tuple[Share, ...]:
    values: dict[str, object] = {}
    conditions = []
    for hand in filter(None, hands[1:]):
        names = [f"{_NAME}{index}" for index in range(len(values), len(values) + len(hand))]
        values.update(zip(names, hand))
        conditions.append(f"{name} in ({_list(names)})")
    if not values:
        return (Share(),)
    # The first has its own values, NULL, and those that the sample did not hold.
    conditions.insert(0, f"{name} is null or {name} not in ({_list(values)})")
    return tuple(Share((condition,), values) for condition in conditions)


def _list(names: Iterable[str]) -> str:
    return ", ".join(f":{name}" for name in names)


def _reproducible(selection: Selection, server: Server) -> float:
    """Give the planner's estimate of the rows; each stream runs the query, with the same rows."""
    ((plan,),) = server.rows(f"explain (verbose, format json)\n{server.render(selection)}")
    plan = json.loads(plan) if isinstance(plan, str) else plan
    reasons = sorted(_different(plan[0]["Plan"], {name for (name,) in server.rows(_VOLATILE)}))
    if reasons:
        raise BadQuery(
            f"{selection.name}: partitions={selection.partitions}, and each of them runs the "
            f"query, which could choose other rows or values each time: {', '.join(reasons)}; "
            "mend: give such values as parameters (:data_interval_end is always there), declare "
            "functions of your own stable if they are, or partitions=1"
        )
    return float(plan[0]["Plan"]["Plan Rows"])


def _different(node: Mapping[str, Any], volatile: set[str]) -> Iterator[str]:
    kind = node["Node Type"]
    # The planner itself answers min() and max() by the first row of an index.
    planners = node.get("Parent Relationship") == "InitPlan" and "IS NOT NULL" in str(node)
    if kind == "Limit" and not planners:
        yield "limit"
    if kind == "Sample Scan" and "Repeatable Seed" not in node:
        yield "tablesample"
    for entry, value in node.items():
        if entry == "Plans":
            for child in value:
                yield from _different(child, volatile)
            continue
        for token in _TOKEN.finditer(" ".join(value) if isinstance(value, list) else str(value)):
            name = (token["name"] or "").strip('"')
            if (token["call"] and name in volatile | _CLOCKS) or token["name"] in _CLOCK_WORDS:
                yield name
