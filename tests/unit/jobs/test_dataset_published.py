from __future__ import annotations

import pytest

from airflow_ml_provider.jobs.dataset_published import DATASET_PUBLISHED
from airflow_ml_provider.jobs.state import Phase


@pytest.mark.parametrize(
    ("uri", "keys", "marker"),
    [
        ("s3://b/data/x/", ["data/x/_SUCCESS"], "_SUCCESS"),
        ("s3://b/data/x", ["data/x/_SUCCESS", "data/x/_manifest.json"], "_manifest.json"),
        ("s3://b", ["_SUCCESS"], "_SUCCESS"),
        ("s3://b/data/x/", [], None),
        ("s3://b/data/x/", ["data/x/_SUCCESS.crc"], None),
    ],
)
def test_is_published_when_a_marker_is_there(aws, uri, keys, marker):
    fake = aws("s3", ListObjectsV2={"Contents": [{"Key": key} for key in keys]})
    state = DATASET_PUBLISHED.state(fake.client, uri)
    assert state.phase is (Phase.SUCCEEDED if marker else Phase.RUNNING)
    assert state.result == ({"uri": uri, "marker": marker} if marker else {})
    assert fake.actions == DATASET_PUBLISHED.actions
    assert DATASET_PUBLISHED.states(fake.client, [uri], 0.0) == {}


def test_an_empty_folder_is_not_published(aws):
    fake = aws("s3", ListObjectsV2={})
    assert DATASET_PUBLISHED.state(fake.client, "s3://b/x/").phase is Phase.RUNNING
    request = fake.calls[0][1]
    assert (request["Prefix"], request["Delimiter"]) == ("x/_", "/")
