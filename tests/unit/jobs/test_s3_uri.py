from __future__ import annotations

import pytest

from airflow_ml_provider.jobs.s3_uri import split_s3_uri


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://b/k/x.json", ("b", "k/x.json")),
        ("s3://b", ("b", "")),
        ("s3://b/", ("b", "")),
        ("s3a://b/k/", ("b", "k/")),
    ],
)
def test_splits(uri, parts):
    assert split_s3_uri(uri) == parts


@pytest.mark.parametrize("uri", ["", "s3://", "s3:///key", "https://b/k", "/local/path", "b/k"])
def test_refuses_what_is_no_address(uri):
    with pytest.raises(ValueError, match="expected s3://<bucket>/<key>"):
        split_s3_uri(uri)
