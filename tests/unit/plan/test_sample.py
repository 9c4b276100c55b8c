from __future__ import annotations

from airflow_ml_provider.pipeline import Dataset, JobField, Metric, Output, Parameter, Run, Text
from airflow_ml_provider.pipeline.values import Code, History, Token
from airflow_ml_provider.plan.sample import sample


def test_every_value_has_a_sample():
    request = {
        "parameter": Parameter("n", 3),
        "run": Run.DATE,
        "uris": [Output("s", "o"), Dataset("d"), JobField("s", ("A",)), Code(("a.py",), "tar")],
        "history": History("s"),
        "text": Text.of("auc ", Metric("s", ("auc",)), " of ", Text.of(Run.KEY)),
        "token": Token(),
        "plain": {"x": 1},
    }
    assert sample(request) == {
        "parameter": 3,
        "run": "2013-08-29",
        "uris": ["s3://bucket/sample"] * 4,
        "history": "s3://bucket/sample",
        "text": "auc 0.5 of 20130829T000000",
        "token": "0" * 32,
        "plain": {"x": 1},
    }
