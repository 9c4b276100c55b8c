from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.extract.errors import BadDestination, ManifestInvalid, ManifestMissing
from airflow_ml_provider.extract.publish.manifest import (
    Column,
    DataFile,
    Manifest,
    Partition,
    attempt_name,
    read_manifest,
)

MANIFEST = Manifest(
    source="warehouse",
    attempt="1" * 32,
    query_sha256="ab" * 32,
    columns=(Column("a", "int64", nullable=True), Column("b", "string", nullable=True)),
    files=(
        DataFile("p/part-00000.parquet", 3, 100, '"e1"'),
        DataFile("p/part-00001.parquet", 4, 50, '"e2"'),
    ),
    partition=Partition("a", "1", None),
    started_at=datetime(2013, 1, 1, tzinfo=timezone.utc),
    finished_at=datetime(2013, 1, 1, 0, 1, tzinfo=timezone.utc),
)


def changed(**fields):
    return json.dumps({**json.loads(MANIFEST.to_json()), **fields})


def test_round_trip():
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert (MANIFEST.rows, MANIFEST.size_bytes) == (7, 150)


def test_the_document():
    document = json.loads(MANIFEST.to_json())
    assert document["format_version"] == 2
    assert document["rows"] == 7
    assert document["columns"][0] == {"name": "a", "type": "int64", "nullable": True}
    assert document["partition"] == {"column": "a", "minimum": "1", "maximum": None}
    assert document["started_at"] == "2013-01-01T00:00:00+00:00"


def test_the_schema_hash_knows_names_types_and_order():
    turned = replace(MANIFEST, columns=MANIFEST.columns[::-1])
    other = replace(MANIFEST, columns=(Column("a", "int32", nullable=True), MANIFEST.columns[1]))
    hashes = {m.schema_sha256 for m in (MANIFEST, turned, other)}
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "no JSON"),
        ("[]", "format_version 2"),
        (changed(format_version=1), "format_version 2"),
        (changed(source=None), "source is None, not a str"),
        (changed(attempt=7), "attempt is 7, not a str"),
        (changed(partition=[]), r"partition is \[\], not an object of column, maximum, minimum"),
        (changed(partition={"column": "a"}), "partition is {'column': 'a'}, not an object"),
        (changed(files={}), "files is {}, not a list of objects"),
        (changed(files=[{"key": "k", "rows": True, "size_bytes": 1, "etag": "e"}]), "rows is True"),
        (changed(started_at="noon"), "started_at is 'noon', not a time"),
        (changed(started_at="noon", source=1), "source is 1, .*; started_at is"),
        (changed(rows=8), "rows is 8, but its parts make 7"),
        (changed(schema_sha256=""), "schema_sha256 is ''"),
    ],
)
def test_invalid_documents(text, problem):
    with pytest.raises(ManifestInvalid, match=problem):
        Manifest.from_json(text)


ONE = replace(MANIFEST, files=(DataFile("p/part-00000.parquet", 3, 100, ""),))


@pytest.fixture
def put(s3):
    def put(name, body, **fields):
        return s3.put_object(Bucket="bucket", Key=f"p/{name}", Body=body, **fields)["ETag"]

    return put


@pytest.fixture
def data(put):
    return lambda attempt=ONE.attempt: put(
        "part-00000.parquet", b"x", Metadata={"attempt": attempt}
    )


@pytest.fixture(autouse=True)
def looks(monkeypatch):
    """Look again at once."""
    looks = Mock()
    monkeypatch.setattr("time.sleep", looks)
    return looks


@pytest.mark.parametrize("name", ["_manifest.json", attempt_name(ONE.attempt)])
@pytest.mark.parametrize("uri", ["s3://bucket/p", "s3://bucket/p/"])
def test_on_s3(*, s3, put, data, name, uri):
    etag = data()
    put(name, ONE.to_json())
    assert read_manifest(s3, uri) == replace(ONE, files=(replace(ONE.files[0], etag=etag),))


def test_the_manifest_of_another_attempt_is_passed_over(s3, put, data):
    data()
    put("_manifest.json", replace(ONE, attempt="2" * 32, source="old").to_json())
    put(attempt_name(ONE.attempt), ONE.to_json())
    assert read_manifest(s3, "s3://bucket/p").source == "warehouse"


def test_an_object_that_changes_meanwhile_is_looked_at_again(s3, put, data, looks):
    data("2" * 32)
    put("_manifest.json", ONE.to_json())
    looks.side_effect = lambda seconds: seconds and data()
    assert read_manifest(s3, "s3://bucket/p").attempt == ONE.attempt


def test_a_missing_extract(s3, put):
    with pytest.raises(ManifestMissing, match="s3://bucket/p: nothing was published"):
        read_manifest(s3, "s3://bucket/p")
    put("_manifest.json", ONE.to_json())
    with pytest.raises(ManifestMissing):
        read_manifest(s3, "s3://bucket/p")


@pytest.mark.parametrize("metadata", [{}, {"attempt": "2" * 32}])
def test_an_object_that_is_not_an_extracts(s3, put, metadata):
    put("part-00000.parquet", b"x", Metadata=metadata)
    put("_manifest.json", ONE.to_json())
    with pytest.raises(ManifestInvalid, match="is not an extract's own"):
        read_manifest(s3, "s3://bucket/p")


def test_reading_what_is_not_ours(s3, put, data):
    data()
    put("_manifest.json", b"\xff")
    with pytest.raises(ManifestInvalid, match=r"s3://bucket/p/_manifest\.json"):
        read_manifest(s3, "s3://bucket/p")


def refusal(operation):
    code = {"HeadObject": "403", "GetObject": "AccessDenied"}[operation]
    return ClientError({"Error": {"Code": code}}, operation)


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject"])
def test_a_refusal_may_hide_that_nothing_is_there(s3, data, operation):
    def refuse(response_dict, **_):
        if response_dict["status_code"] == 404:
            raise refusal(operation)

    s3.meta.events.register(f"before-parse.s3.{operation}", refuse)
    if operation == "GetObject":
        data()
    kind = {"HeadObject": ManifestMissing, "GetObject": ManifestInvalid}[operation]
    with pytest.raises(kind):
        read_manifest(s3, "s3://bucket/p")


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject"])
def test_a_refusal_of_what_is_there_is_told(s3, put, data, operation):
    def refuse(**_):
        raise refusal(operation)

    data()
    put("_manifest.json", ONE.to_json())
    s3.meta.events.register(f"before-parse.s3.{operation}", refuse)
    with pytest.raises(BadDestination, match=r"403|AccessDenied"):
        read_manifest(s3, "s3://bucket/p")
