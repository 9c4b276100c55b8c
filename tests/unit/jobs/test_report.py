from __future__ import annotations

import io
import json

import pytest

from airflow_ml_provider.jobs.errors import ReportError
from airflow_ml_provider.jobs.report import metric, read_report

REPORT = {
    "binary_classification_metrics": {
        "auc": {"value": 0.71},
        "f1-score": {"value": 1},
        "flag": True,
        "none": None,
        "text": "0.7",
        "nan": float("nan"),
        "empty": {},
    }
}
TOP = "binary_classification_metrics"


def test_a_number_at_a_path():
    assert metric(REPORT, (TOP, "auc", "value")) == 0.71
    assert metric(REPORT, [TOP, "f1-score", "value"]) == 1.0


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("auc",), "no metric 'auc': at the top there is 'binary_classification_metrics'."),
        ((TOP, "recall"), f"under '{TOP}' there is 'auc', 'f1-score', 'flag'"),
        ((TOP, "empty", "x"), "there is nothing"),
        ((TOP, "text", "value"), r"there is \"0.7\" \(str\)"),
        ((TOP, "flag"), r"no finite number: there is true \(bool\)"),
        ((TOP, "none"), r"no finite number: there is null \(NoneType\)"),
        ((TOP, "text"), r"no finite number: there is \"0.7\" \(str\)"),
        ((TOP, "nan"), r"no finite number: there is NaN \(float\)"),
        ((TOP, "auc"), "no finite number: there is 'value'"),
    ],
)
def test_what_is_no_number_is_explained(path, message):
    with pytest.raises(ReportError, match=message):
        metric(REPORT, path)


def test_a_long_list_of_names_is_cut():
    with pytest.raises(ReportError, match="and 80 more"):
        metric({f"m{number}": 1 for number in range(100)}, ("auc",))


def test_reads_a_report(aws):
    fake = aws("s3", GetObject=lambda **_: {"Body": io.BytesIO(json.dumps({"a": 1}).encode())})
    assert read_report(fake.client, "s3://b/k.json") == {"a": 1}
    assert fake.calls == [("GetObject", {"Bucket": "b", "Key": "k.json"})]
    with pytest.raises(ReportError, match="more than 4 bytes"):
        read_report(fake.client, "s3://b/k.json", max_bytes=4)


def test_what_is_no_json(aws):
    fake = aws("s3", GetObject={"Body": io.BytesIO(b"auc: 0.7")})
    with pytest.raises(ReportError, match=r"s3://b/k.json is no JSON"):
        read_report(fake.client, "s3://b/k.json")
