from __future__ import annotations

import io
import json

import pytest

from airflow_ml_provider.jobs.report_metric import REPORT_METRIC, metric_id
from airflow_ml_provider.jobs.state import Phase

URI = "s3://b/evaluation.json"


def seen(aws, job_id, body=b'{"auc": 0.7}'):
    return REPORT_METRIC.state(aws("s3", GetObject={"Body": io.BytesIO(body)}).client, job_id)


@pytest.mark.parametrize(
    ("op", "value", "phase"),
    [
        (">=", 0.7, Phase.SUCCEEDED),
        (">", 0.7, Phase.RUNNING),
        ("<", 1, Phase.SUCCEEDED),
        ("<=", 0.6, Phase.RUNNING),
        ("==", 0.7, Phase.SUCCEEDED),
        ("!=", 0.7, Phase.RUNNING),
    ],
)
def test_compares(aws, op, value, phase):
    assert seen(aws, metric_id(URI, ["auc"], op, value)).phase is phase


def test_success_gives_the_number(aws):
    state = seen(aws, metric_id(URI, ["auc"], ">", 0))
    assert state.result == {"uri": URI, "value": 0.7}


def test_false_may_be_final(aws):
    state = seen(aws, metric_id(URI, ["auc"], ">", 0.9, fail_when_false=True))
    assert (state.phase, state.reason) == (Phase.FAILED, "['auc'] is 0.7, wanted > 0.9")


def test_no_report_yet_is_waited_for(aws, refusal):
    fake = aws("s3", GetObject=[refusal("NoSuchKey"), refusal("AccessDenied")])
    job_id = metric_id(URI, ["auc"], ">", 0.9)
    assert REPORT_METRIC.state(fake.client, job_id).phase is Phase.RUNNING
    with pytest.raises(Exception, match="AccessDenied"):
        REPORT_METRIC.state(fake.client, job_id)
    assert fake.actions == REPORT_METRIC.actions


def test_a_report_without_the_number_is_a_failure(aws):
    state = seen(aws, metric_id(URI, ["f1"], ">", 0))
    assert state.phase is Phase.FAILED
    assert state.reason == f"{URI}: The report has no metric 'f1': at the top there is 'auc'."


def test_an_id_is_canonical():
    one = metric_id(URI, ("a", "b"), ">", 1)
    assert one == metric_id(URI, ["a", "b"], ">", 1.0)
    assert json.loads(one)["path"] == ["a", "b"]
    assert REPORT_METRIC.states(None, [one], 0.0) == {}


@pytest.mark.parametrize(
    "bad",
    [(URI, [], ">", 1), (URI, "auc", ">", 1), (URI, ["a"], "=", 1), ("b/k", ["a"], ">", 1)],
)
def test_a_bad_id_is_refused(bad):
    with pytest.raises(ValueError, match=r"op is one of|is no S3 address"):
        metric_id(*bad)
