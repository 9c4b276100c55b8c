from __future__ import annotations

import threading
from contextlib import contextmanager
from itertools import chain

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.errors import SourceUnavailable
from airflow_ml_provider.extract.publish import row_groups
from airflow_ml_provider.extract.publish.row_groups import RowGroups, gathered

SECONDS = 10
SCHEMA = pa.schema([("a", pa.int64())])


def ints(*values):
    return pa.record_batch([pa.array(values, pa.int64())], schema=SCHEMA)


def values(table):
    return table["a"].to_pylist()


def streams(*lists):
    """Give a stream of each list; what is callable in it is called in its place."""

    @contextmanager
    def stream(items):
        yield (item() if callable(item) else item for item in items)

    return [lambda items=items: stream(items) for items in lists]


def taken(opened):
    with RowGroups() as groups, groups.reading(opened, 1_000) as tables:
        return [values(table) for table in tables]


def read(*lists):
    return taken(streams(*lists))


@pytest.mark.parametrize("cuts", [[9], [4, 5], [1] * 9, [0, 9, 0]])
def test_row_groups_do_not_follow_batches(cuts):
    rest, batches = list(range(9)), []
    for cut in cuts:
        batches.append(ints(*rest[:cut]))
        rest = rest[cut:]
    found = [values(table) for table in gathered(batches, 1_000_000, rows=4)]
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_wide_rows_make_smaller_groups():
    found = [values(table) for table in gathered([ints(1, 2)] * 5, size_bytes=32)]
    assert found == [[1, 2, 1, 2], [1, 2, 1, 2], [1, 2]]


def test_no_rows_make_no_groups():
    assert list(gathered([ints()], 1_000)) == read([ints()], []) == []


def test_one_stream_keeps_its_order():
    found = read([ints(*range(n, n + 150)) for n in range(0, 1_500, 150)])
    assert len(found) > 1
    assert [*chain(*found)] == [*range(1_500)]


def test_streams_are_read_at_the_same_time():
    barrier = threading.Barrier(3, timeout=SECONDS)

    def meet():
        barrier.wait()
        return ints(barrier.parties)

    assert read([meet], [meet], [meet]) == [[3], [3], [3]]


@pytest.mark.parametrize("error", [SourceUnavailable("lost"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_of_a_stream_is_raised(error):
    def fail():
        raise error

    with pytest.raises(type(error)) as raised:
        read([ints(1), fail])
    assert raised.value is error


def test_an_error_while_a_stream_is_left_is_raised():
    @contextmanager
    def stream():
        yield iter([ints(1)])
        raise SourceUnavailable("lost")

    with pytest.raises(SourceUnavailable):
        taken([stream])


def test_an_error_ends_the_other_streams():
    left = threading.Event()

    def endless():
        while True:
            yield ints(1)

    @contextmanager
    def other():
        try:
            yield endless()
        finally:
            left.set()

    def fail():
        raise SourceUnavailable("lost")

    failing = streams([fail])
    with pytest.raises(SourceUnavailable):
        taken([other, *failing])
    assert left.is_set()


def test_whoever_reads_no_further_ends_the_streams():
    def endless():
        while True:
            yield ints(1)

    @contextmanager
    def stream():
        yield endless()

    before = threading.active_count()
    with RowGroups() as groups, groups.reading([stream] * 3, 1) as tables:
        next(tables)
    assert threading.active_count() == before


def test_a_stream_that_waits_is_joined_after_its_source_was_closed(monkeypatch):
    monkeypatch.setattr(row_groups, "_GRACE_SECONDS", 0.01)
    closed, raised = threading.Event(), threading.Event()

    @contextmanager
    def blocked():
        assert closed.wait(SECONDS)
        raised.set()
        raise SourceUnavailable("closed")
        yield

    def fail():
        raise ValueError

    with RowGroups() as groups:
        both = groups.reading([blocked, *streams([fail])], 1)
        with pytest.raises(ValueError, match=r"^$"), both as tables:
            list(tables)
        assert not raised.is_set()
        closed.set()
    assert raised.is_set()


def test_little_is_read_ahead():
    seen = []

    def count():
        seen.append(1)
        return ints(1)

    with RowGroups() as groups, groups.reading(streams([count] * 100), 1) as tables:
        for number, _ in enumerate(tables, 1):
            # One is queued, one waits for its place and one is being read.
            assert len(seen) <= number + 3


def test_streams_are_read_before_anybody_takes():
    begun = threading.Event()

    def begin():
        begun.set()
        return ints(1)

    with RowGroups() as groups, groups.reading(streams([begin]), 1):
        assert begun.wait(SECONDS)
