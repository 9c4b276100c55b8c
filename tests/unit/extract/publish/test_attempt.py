from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from airflow_ml_provider.extract.errors import (
    BadDestination,
    DestinationUnavailable,
    Superseded,
)
from airflow_ml_provider.extract.publish.attempt import Attempt
from airflow_ml_provider.extract.publish.location import Location, s3_errors
from airflow_ml_provider.extract.publish.manifest import (
    Column,
    DataFile,
    Manifest,
    attempt_name,
    read_manifest,
)

URI = "s3://bucket/p"
KEY = "p/part-00000.parquet"
MANIFEST = "p/_manifest.json"


class Writer:
    """An attempt that writes its text, step by step."""

    def __init__(self, s3, text, options=None):
        self.s3, self.text = s3, text
        self.attempt = Attempt(s3, Location.parse(URI), options or {}, time.monotonic())
        self.name = f"p/{attempt_name(self.attempt.name)}"

    def begin(self):
        self.attempt.__enter__()
        return self

    def publish(self):
        now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        part = self.s3.upload_part(**self.attempt.upload, PartNumber=1, Body=self.text)
        file = DataFile(KEY, 1, len(self.text), "")
        columns = (Column("a", "int64", nullable=True),)
        manifest = Manifest(
            self.text, self.attempt.name, "0" * 64, columns, (file,), None, now, now
        )
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        return self.attempt.publish(parts, manifest)

    def end(self):
        self.attempt.__exit__()

    def whole(self):
        self.begin()
        try:
            return self.publish()
        finally:
            self.end()


@pytest.fixture
def writer(s3):
    return lambda text, **options: Writer(s3, text, options)


@pytest.fixture
def uploads(s3):
    return lambda: s3.list_multipart_uploads(Bucket="bucket").get("Uploads", [])


@pytest.fixture
def visible(s3):
    """Give what both sorts of readers see; they must see the same."""

    def visible():
        body = s3.get_object(Bucket="bucket", Key=KEY)["Body"].read().decode()
        assert read_manifest(s3, URI).source == body
        return body

    return visible


def code(raised):
    return raised.value.response["Error"]["Code"]


def test_nothing_is_visible_before_the_end(s3, writer, listing, uploads):
    one = writer("one").begin()
    s3.upload_part(**one.attempt.upload, PartNumber=1, Body="one")
    assert listing() == []
    one.end()
    assert listing() == uploads() == []


def test_what_is_published(*, s3, writer, listing, uploads, visible):
    one = writer("one")
    manifest = one.whole()
    head = s3.head_object(Bucket="bucket", Key=KEY)
    assert manifest.files[0].etag == head["ETag"]
    assert head["Metadata"] == {"attempt": one.attempt.name}
    assert sorted(listing()) == sorted([one.name, MANIFEST, KEY])
    assert visible() == "one"
    assert uploads() == []


def test_an_earlier_extract_is_replaced(s3, writer, listing, visible):
    writer("one").whole()
    strangers = ["p/_SUCCESS", "p/part-mine.parquet", "p/sub/part-00001.parquet", "p/_attempts/x"]
    for key in ["p/part-00001.parquet", "p/part-00012.parquet", *strangers]:
        s3.put_object(Bucket="bucket", Key=key, Body=b"")
    two = writer("two")
    two.whole()
    assert visible() == "two"
    assert sorted(listing()) == sorted([two.name, MANIFEST, KEY, *strangers])


def test_the_order_of_calls(s3, writer):
    writer("one").whole()
    calls = []
    s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    writer("two").whole()
    assert calls == [
        "ListMultipartUploads",
        "ListObjectsV2",
        "HeadObject",
        "ListObjectsV2",
        "CreateMultipartUpload",
        "UploadPart",
        "PutObject",
        "CompleteMultipartUpload",
        "PutObject",
        "DeleteObjects",
    ]


def test_orphans_are_removed(*, s3, writer, listing, uploads, visible):
    for text in ("dead", "dead, too"):
        s3.create_multipart_upload(Bucket="bucket", Key=KEY)
        s3.put_object(Bucket="bucket", Key=writer(text).name, Body=text)
    s3.create_multipart_upload(Bucket="bucket", Key=f"{KEY}.gz")
    one = writer("one")
    one.whole()
    assert visible() == "one"
    assert sorted(listing()) == sorted([one.name, MANIFEST, KEY])
    assert [upload["Key"] for upload in uploads()] == [f"{KEY}.gz"]


@pytest.mark.parametrize("earlier", [None, "zero"])
def test_a_newer_attempt_fences_an_older_one_off(writer, visible, earlier):
    if earlier:
        writer(earlier).whole()
    old = writer("old").begin()
    new = writer("new").begin()
    with pytest.raises(ClientError) as raised:
        old.publish()
    assert code(raised) == "NoSuchUpload"
    old.end()
    new.publish()
    new.end()
    assert visible() == "new"


@pytest.mark.parametrize("earlier", [None, "zero"])
@pytest.mark.parametrize("first", [0, 1])
def test_of_two_that_begin_at_once_one_is_published(
    *, s3, writer, listing, visible, earlier, first, monkeypatch
):
    if earlier:
        writer(earlier).whole()
    # Neither sees the other's upload.
    monkeypatch.setattr(Attempt, "_abort_others", lambda self: None)
    both = [writer("left").begin(), writer("right").begin()]
    winner, loser = both[first], both[1 - first]
    winner.publish()
    with pytest.raises(ClientError) as raised:
        loser.publish()
    assert code(raised) == "PreconditionFailed"
    loser.end()
    winner.end()
    assert visible() == winner.text
    assert winner.name in listing()


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize(
    ("read_seconds", "age_seconds", "old"), [(60, 30, True), (60, 90, False), (1.5, 1, False)]
)
def test_what_was_read_before_the_last_result_is_not_published(
    *, s3, writer, uploads, visible, read_seconds, age_seconds, old, sent
):
    writer("new").whole()
    written = s3.head_object(Bucket="bucket", Key=KEY)["LastModified"]

    def later(response_dict, **_):
        headers = response_dict["headers"]
        if sent:
            # Whatever the time is here.
            headers["date"] = format_datetime(written + timedelta(seconds=age_seconds))
        else:
            modified = datetime.now(timezone.utc) - timedelta(seconds=age_seconds)
            headers["last-modified"] = format_datetime(modified)

    s3.meta.events.register("before-parse.s3.HeadObject", later)
    one = writer("old")
    one.attempt._started -= read_seconds
    if old:
        with pytest.raises(Superseded, match="has published it since this one began to read"):
            one.whole()
    else:
        one.whole()
    s3.meta.events.unregister("before-parse.s3.HeadObject", later)
    assert visible() == ("new" if old else "old")
    assert uploads() == []


@pytest.mark.parametrize("earlier", [None, "zero"])
def test_the_winner_keeps_its_manifest_if_the_loser_cleans_up(writer, visible, earlier):
    if earlier:
        writer(earlier).whole()
    slow = writer("slow").begin()
    slow.attempt._delete_earlier = lambda: None
    put = slow.attempt._put
    later = []
    slow.attempt._put = lambda name, manifest: (
        later.append(manifest) if name == "_manifest.json" else put(name, manifest)
    )
    slow.publish()
    writer("next").whole()
    # The older one wakes up: its manifest comes last, and is not that of the object.
    put("_manifest.json", later[0])
    Attempt._delete_earlier(slow.attempt)
    assert visible() == "next"


@pytest.mark.parametrize("error", ["timeout", "PreconditionFailed", "NoSuchUpload"])
def test_a_lost_answer_is_no_failure(*, s3, writer, visible, error):
    writer("zero").whole()
    complete = s3.complete_multipart_upload

    def lost(**request):
        complete(**request)
        if error == "timeout":
            raise ReadTimeoutError(endpoint_url="http://s3")
        raise ClientError({"Error": {"Code": error}}, "CompleteMultipartUpload")

    s3.complete_multipart_upload = lost
    manifest = writer("one").whole()
    assert visible() == "one"
    assert read_manifest(s3, URI) == manifest


def test_a_failed_completion_publishes_nothing(*, s3, writer, visible, uploads):
    writer("zero").whole()
    s3.complete_multipart_upload = Mock(side_effect=ReadTimeoutError(endpoint_url="http://s3"))
    with pytest.raises(ReadTimeoutError):
        writer("one").whole()
    assert visible() == "zero"
    assert uploads() == []


def test_a_lost_answer_that_can_not_be_looked_up_is_the_error(s3, writer):
    s3.complete_multipart_upload = Mock(side_effect=ReadTimeoutError(endpoint_url="http://s3"))
    s3.head_object = Mock(side_effect=ReadTimeoutError(endpoint_url="http://s3"))
    with pytest.raises(ReadTimeoutError):
        writer("one").whole()


@pytest.mark.parametrize("name", ["_manifest.json", "_attempts/"])
def test_a_manifest_that_can_not_be_written(*, s3, writer, visible, name):
    writer("zero").whole()
    put = s3.put_object

    def refuse(**request):
        if name in request["Key"]:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")
        return put(**request)

    s3.put_object = refuse
    with pytest.raises(ClientError):
        writer("one").whole()
    # After the commit both readers have it; before it, neither.
    assert visible() == ("one" if name == "_manifest.json" else "zero")


def test_an_upload_that_can_not_be_aborted_is_told(s3, writer, caplog):
    one = writer("one").begin()
    refusal = ClientError({"Error": {"Code": "AccessDenied"}}, "AbortMultipartUpload")
    s3.abort_multipart_upload = Mock(side_effect=refusal)
    one.end()
    assert f"Could not abort the upload of {URI}/part-00000.parquet" in caplog.text


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (["AccessDenied"], BadDestination),
        (["InternalError", "AccessDenied"], BadDestination),
        (["InternalError", "SlowDown"], DestinationUnavailable),
    ],
)
def test_earlier_files_that_can_not_be_deleted_are_told(*, s3, writer, visible, codes, kind):
    writer("zero").whole()
    s3.delete_objects = Mock(return_value={"Errors": [{"Code": code} for code in codes]})
    with pytest.raises(kind, match=f"could not delete earlier files: .*{codes[0]}"):
        writer("one").whole()
    assert visible() == "one"


def test_what_was_to_be_replaced_may_be_gone(*, s3, writer, uploads):
    writer("zero").whole()
    one = writer("one").begin()
    s3.delete_object(Bucket="bucket", Key=KEY)
    with pytest.raises(Superseded, match="NoSuchKey"), s3_errors(Location.parse(URI)):
        one.publish()
    one.end()
    assert uploads() == []
    two = writer("two")
    two.whole()
    assert s3.head_object(Bucket="bucket", Key=KEY)["Metadata"] == {"attempt": two.attempt.name}


def test_options_reach_s3(s3, writer):
    writer("one", ServerSideEncryption="aws:kms").whole()
    for key in (KEY, MANIFEST):
        head = s3.head_object(Bucket="bucket", Key=key)
        assert head["ServerSideEncryption"] == "aws:kms"
