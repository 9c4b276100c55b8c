from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from unittest.mock import Mock

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.extract.errors import (
    BadDestination,
    DestinationUnavailable,
    HistoryInvalid,
    TypeMismatch,
)
from airflow_ml_provider.extract.runs import history as module
from airflow_ml_provider.extract.runs.history import Claim, History, Published, State, value_record

URI = "s3://bucket/flights/_history/orders.json"
KEY = "flights/_history/orders.json"
NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
VALUES = [
    None,
    7,
    -(10**30),
    Decimal("1.50"),
    Decimal("1E+5"),
    datetime(2026, 1, 1, 12, 0, 0, 1),  # noqa: DTZ001  some columns have no zone
    NOON.replace(microsecond=1),
    date(2026, 1, 1),
    "Zürich '\n",
]


@pytest.fixture
def history(s3):
    return History(lambda: s3, URI)


def added(run, upto=None):
    def change(state):
        claim = Claim(run, state.highest, upto, NOON)
        return State("id", (*state.claims, claim), state.published)

    return change


def refusal(code):
    return ClientError({"Error": {"Code": code}}, "PutObject")


def test_nothing_is_an_empty_state(history, listing):
    assert history.read() == State(None, (), None)
    assert history.read().highest is None
    assert history.update(lambda state: state) == State()
    assert listing() == []


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_values_keep_their_type(history, value):
    history.update(added("a", value))
    claim = history.read().claims[0]
    assert claim == Claim("a", None, value, NOON)
    assert type(claim.upto) is type(value)


def test_a_moment_is_kept_in_utc(history):
    berlin = timezone(timedelta(hours=1))
    history.update(added("a", datetime(2026, 1, 1, 13, tzinfo=berlin)))
    assert history.read().highest == NOON
    assert history.read().highest.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value", [1.5, True, b"x", Decimal("NaN"), Decimal("Infinity"), ["a"]], ids=repr
)
def test_values_without_an_exact_spelling_are_refused(value):
    with pytest.raises(TypeMismatch, match=r"is no int, decimal, timestamp"):
        value_record(value)


def test_the_schema_comes_back_exactly(history):
    schema = pa.schema(
        [
            ("a", pa.decimal128(38, 3)),
            ("b", pa.list_(pa.timestamp("us", "UTC"))),
            ("c", pa.dictionary(pa.int8(), pa.string())),
        ]
    )
    history.update(lambda state: State(published=Published("ab", schema)))
    assert history.read().published == Published("ab", schema)


def test_the_document_can_be_read_by_people(history, s3):
    history.update(added("2026-01-01", 5))
    document = json.loads(s3.get_object(Bucket="bucket", Key=KEY)["Body"].read())
    assert document == {
        "format_version": 1,
        "column": "id",
        "windows": [
            {
                "run": "2026-01-01",
                "after": None,
                "upto": {"type": "int", "value": "5"},
                "claimed_at": "2026-01-01T12:00:00+00:00",
                "published": False,
            }
        ],
        "published": None,
    }


def test_options_go_with_every_write(s3):
    history = History(lambda: s3, URI, {"ServerSideEncryption": "AES256"})
    history.update(added("a"))
    assert s3.head_object(Bucket="bucket", Key=KEY)["ServerSideEncryption"] == "AES256"


@pytest.mark.parametrize("first", [None, "before"])
def test_who_was_faster_is_not_overwritten(history, first):
    """Also the first of all writes, of which the object is not there yet."""
    if first:
        history.update(added(first, 1))
    seen = []

    def change(state):
        seen.append(state.highest)
        if len(seen) == 1:
            history.update(added("other", 5))
        return added("mine", 9)(state)

    history.update(change)
    assert seen == [1 if first else None, 5]
    claims = history.read().claims[-2:]
    assert [(c.run, c.after) for c in claims] == [("other", seen[0]), ("mine", 5)]


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"])
def test_a_conflict_is_tried_again(history, s3, monkeypatch, code):
    real, refusals = s3.put_object, [refusal(code)]

    def put_object(**arguments):
        if refusals:
            raise refusals.pop()
        return real(**arguments)

    monkeypatch.setattr(s3, "put_object", put_object)
    history.update(added("a"))
    assert history.read().claim("a")


def test_conflicts_without_end_are_an_error_that_can_be_retried(history, s3, monkeypatch):
    monkeypatch.setattr(s3, "put_object", Mock(side_effect=refusal("PreconditionFailed")))
    monkeypatch.setattr(module, "sleep", Mock())
    with pytest.raises(DestinationUnavailable, match=r"orders\.json: other runs were faster 30"):
        history.update(added("a"))


def test_other_errors_of_s3_are_told(s3):
    history = History(lambda: s3, "s3://missing/flights/_history/orders.json")
    with pytest.raises(BadDestination, match="NoSuchBucket"):
        history.read()
    busy = Mock(list_objects_v2=Mock(side_effect=refusal("SlowDown")))
    history = History(lambda: busy, URI)
    with pytest.raises(DestinationUnavailable, match="SlowDown"):
        history.update(added("a"))


def test_a_refused_write_is_told(history, s3, monkeypatch):
    monkeypatch.setattr(s3, "put_object", Mock(side_effect=refusal("AccessDenied")))
    with pytest.raises(BadDestination, match="AccessDenied"):
        history.update(added("a"))


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 4)
    return 4


def test_no_run_is_forgotten(history, listing, kept):
    runs = [f"run/{number}" for number in range(kept + 3)]
    for number, run in enumerate(runs):
        history.update(added(run, number))
    state = history.read()
    assert [claim.run for claim in state.claims] == runs[3:]
    assert state.claim(runs[2]) is None
    moved = [history.moved_claim(run) for run in runs[:3]]
    assert [(c.run, c.after, c.upto) for c in moved] == [
        ("run/0", None, 0),
        ("run/1", 0, 1),
        ("run/2", 1, 2),
    ]
    assert history.moved_claim(runs[3]) is None
    assert history.moved_claim("new") is None
    assert len(listing()) == 4
    assert all(key.startswith(KEY) for key in listing())


def test_an_old_window_is_moved_before_it_leaves(history, s3, monkeypatch, kept):
    for number in range(kept):
        history.update(added(str(number), number))
    real, lost = s3.put_object, refusal("InternalError")

    def put_object(**arguments):
        if arguments["Key"] == KEY:
            raise lost
        return real(**arguments)

    with monkeypatch.context() as patch:
        patch.setattr(s3, "put_object", put_object)
        with pytest.raises(DestinationUnavailable):
            history.update(added("new", kept))
    # The write failed: the oldest window is in both places.
    assert history.read().claim("0") == history.moved_claim("0")


def test_an_old_window_that_can_not_be_moved_is_told(history, s3, monkeypatch, kept):
    for number in range(kept):
        history.update(added(str(number), number))
    before = history.read()
    monkeypatch.setattr(s3, "put_object", Mock(side_effect=refusal("SlowDown")))
    with pytest.raises(DestinationUnavailable, match="SlowDown"):
        history.update(added("new", kept))
    assert history.read() == before


def test_another_object_of_a_longer_name_is_not_ours(s3, history):
    s3.put_object(Bucket="bucket", Key=f"{KEY}.bak", Body=b"x")
    assert history.read() == State()


def window(**value):
    return changed(windows=[{"run": "a", "after": value, "upto": None}])


def changed(**fields):
    document = {"format_version": 1, "column": "a", "windows": [], "published": None, **fields}
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        changed(format_version=2),
        changed(windows=[{"run": "a"}]),
        window(type="int", value="x"),
        window(type="decimal", value="x"),
        window(type="date", value=5),
        window(type="money", value="5"),
        changed(published={"fingerprint": "a"}),
        changed(published={"fingerprint": "a", "arrow_schema": "AAAA"}),
        changed(published={"fingerprint": "a", "arrow_schema": "~"}),
    ],
)
def test_what_is_no_history_is_refused(history, s3, text):
    s3.put_object(Bucket="bucket", Key=KEY, Body=text)
    with pytest.raises(HistoryInvalid, match=r"orders\.json: not a history of format 1 .*mend:"):
        history.read()
    assert s3.get_object(Bucket="bucket", Key=KEY)["Body"].read() == text
