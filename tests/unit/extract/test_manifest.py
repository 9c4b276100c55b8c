from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from airflow_ml_provider.extract.errors import BadDestination, ManifestInvalid, ManifestMissing
from airflow_ml_provider.extract.location import Location
from airflow_ml_provider.extract.manifest import (
    Column,
    DataFile,
    Manifest,
    delete_manifest,
    read_manifest,
    write_manifest,
)

MANIFEST = Manifest(
    source="warehouse",
    query_sha256="ab" * 32,
    columns=(Column("a", "int64", nullable=True), Column("b", "string", nullable=True)),
    files=(
        DataFile("p/part-00000.parquet", 3, 100, '"e1"'),
        DataFile("p/part-00001.parquet", 4, 50, '"e2"'),
    ),
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
    assert document["format_version"] == 1
    assert document["rows"] == 7
    assert document["columns"][0] == {"name": "a", "type": "int64", "nullable": True}
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
        ("[]", "format_version 1"),
        (changed(format_version=2), "format_version 1"),
        (changed(source=None), "source is None, not a str"),
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


def test_on_s3(s3):
    location = Location.parse("s3://bucket/p/")
    with pytest.raises(ManifestMissing, match=r"p/_manifest\.json"):
        read_manifest(s3, "s3://bucket/p")
    write_manifest(s3, location, MANIFEST, {})
    assert read_manifest(s3, "s3://bucket/p") == MANIFEST
    assert read_manifest(s3, "s3://bucket/p/") == MANIFEST
    delete_manifest(s3, location)
    with pytest.raises(ManifestMissing):
        read_manifest(s3, "s3://bucket/p")


def test_reading_what_is_not_ours(s3):
    s3.put_object(Bucket="bucket", Key="p/_manifest.json", Body=b"\xff")
    with pytest.raises(ManifestInvalid, match=r"s3://bucket/p/_manifest\.json"):
        read_manifest(s3, "s3://bucket/p")
    with pytest.raises(BadDestination, match="NoSuchBucket"):
        read_manifest(s3, "s3://another/p")
