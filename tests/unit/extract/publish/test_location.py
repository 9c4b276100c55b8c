from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from airflow_ml_provider.extract.errors import (
    BadDestination,
    DestinationUnavailable,
    Superseded,
)
from airflow_ml_provider.extract.publish.location import Location, listed, s3_errors


@pytest.mark.parametrize("uri", ["s3://bucket/a/b", "s3://bucket/a/b/"])
def test_parse(uri):
    location = Location.parse(uri)
    assert location == Location("bucket", "a/b")
    assert location.key("x") == "a/b/x"
    assert str(location) == "s3://bucket/a/b"


@pytest.mark.parametrize("uri", ["", "s3://bucket", "s3://bucket/", "https://bucket/a", "/a/b"])
def test_bad_uris(uri):
    with pytest.raises(BadDestination, match="s3://<bucket>"):
        Location.parse(uri)


def client_error(code, status):
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject"
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (client_error("AccessDenied", 403), BadDestination),
        (client_error("NoSuchBucket", 404), BadDestination),
        (client_error("NoSuchUpload", 404), Superseded),
        (client_error("PreconditionFailed", 412), Superseded),
        (client_error("ConditionalRequestConflict", 409), Superseded),
        (client_error("NoSuchKey", 404), Superseded),
        (client_error("BadDigest", 400), DestinationUnavailable),
        (client_error("SlowDown", 503), DestinationUnavailable),
        (client_error("InternalError", 500), DestinationUnavailable),
        (client_error("RequestTimeout", 400), DestinationUnavailable),
        (EndpointConnectionError(endpoint_url="http://localhost"), DestinationUnavailable),
        (ParamValidationError(report="no such field"), BadDestination),
    ],
)
def test_errors(error, kind):
    with pytest.raises(kind, match="s3://bucket/p: "), s3_errors(Location("bucket", "p")):
        raise error


def test_listed(s3):
    for name in ("p/a-1", "p/a-2", "p/b", "p/a", "pp/a-3"):
        s3.put_object(Bucket="bucket", Key=name, Body=name.encode())
    found = listed(s3, Location("bucket", "p"), "a-")
    assert sorted(found) == ["a-1", "a-2"]
    assert found["a-1"] == s3.head_object(Bucket="bucket", Key="p/a-1")["ETag"]
    assert listed(s3, Location("bucket", "q"), "") == {}
