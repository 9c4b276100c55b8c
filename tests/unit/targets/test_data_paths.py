from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline.values import Dataset, History, Output, Run
from airflow_ml_provider.targets.data_paths import Position, path_parts


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (Dataset("daily"), ("s3://lake/ml/datasets/daily/",)),
        (Output("raw", "out"), ("s3://lake/ml/p/", Run.KEY, "/raw", "/out/")),
        (Output("one", "out"), ("s3://lake/ml/p/", Run.KEY, "/one", "/", Position.INDEX, "/out/")),
        (History("raw"), ("s3://lake/ml/p/_history/raw", ".json")),
        (History("one"), ("s3://lake/ml/p/_history/one", "/", Position.INDEX, ".json")),
    ],
)
def test_parts(value, parts):
    assert path_parts(value, "s3://lake/ml", "p", {"one"}) == parts
