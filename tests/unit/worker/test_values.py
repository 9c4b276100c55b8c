from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline.values import Metric, Parameter, Run, Text, Token
from airflow_ml_provider.plan.worker_step import written
from airflow_ml_provider.worker.errors import StepError
from airflow_ml_provider.worker.values import filled, token_of


def test_what_the_compiler_writes_is_filled_in():
    work = {
        "n": [Parameter("depth", 6), {"auc": Metric("e", ("auc",)), "no": None}],
        "text": Text.of("AUC ", Metric("e", ("auc",)), " of ", Text.of(Run.DATE, "!"), 6),
        "token": Token(),
    }
    found = written(work, {})
    texts = dict(zip(found.environment, ("7", "0.50", "2013-08-29"), strict=True))
    assert filled(found.work, texts, "abc") == {
        "n": [7, {"auc": 0.5, "no": None}],
        "text": "AUC 0.50 of 2013-08-29!6",
        "token": "abc",
    }


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "", ""),
        ("integer", "-7", -7),
        ("integer", "7.0", 7),
        ("number", "1", 1.0),
        ("number", "1e-3", 0.001),
        ("boolean", "true", True),
        ("boolean", "False", False),
    ],
)
def test_a_value_has_its_type(kind, text, value):
    found = filled({"$value": "V", "type": kind}, {"V": text})
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "7.5"),
        ("integer", "many"),
        ("number", "NaN"),
        ("number", ""),
        ("boolean", "1"),
    ],
)
def test_another_type_is_an_error(kind, text):
    with pytest.raises(StepError, match=f"variable V is '{text}', which is no {kind}"):
        filled({"$value": "V", "type": kind}, {"V": text})


def test_a_missing_variable_is_an_error():
    with pytest.raises(StepError, match="environment variable V is missing"):
        filled({"$text": [{"$value": "V", "type": "string"}]}, {})


def test_every_try_of_an_execution_has_the_same_token():
    prefix = token_of(["p", "daily", "execution-1"])
    assert prefix.startswith("p-daily-")
    assert prefix == token_of(["p", "daily", "execution-1"])
    assert prefix != token_of(["p", "daily", "execution-2"])
