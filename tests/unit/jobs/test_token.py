from __future__ import annotations

import re

import pytest

from airflow_ml_provider.jobs.token import (
    MAX_LENGTH,
    MAX_NUMBER,
    call_token,
    shortened,
    token,
    token_prefix,
)

SAGEMAKER = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
IDENTITY = ("dag", "run", "2026-01-01T00:00:00+00:00", "task", "-1", "2")


@pytest.mark.parametrize(
    "readable",
    ["flights-train", "a" * 200, "", "___", "-x-", "Flüge: täglich", "a.b/c d", "x" * 36 + "-" * 9],
)
@pytest.mark.parametrize("number", [1, MAX_NUMBER])
def test_fits_the_tightest_service(readable, number):
    name = token(token_prefix(readable, IDENTITY), number)
    assert SAGEMAKER.fullmatch(name)
    assert len(name) <= MAX_LENGTH


def test_is_readable_and_stable():
    assert token_prefix("flights.train", IDENTITY) == token_prefix("flights.train", IDENTITY)
    assert token_prefix("flights.train", IDENTITY).startswith("flights-train-")


@pytest.mark.parametrize("position", range(len(IDENTITY)))
def test_every_part_of_the_identity_counts(position):
    other = list(IDENTITY)
    other[position] += "x"
    assert token_prefix("t", other) != token_prefix("t", IDENTITY)


def test_parts_do_not_run_into_each_other():
    assert token_prefix("t", ("ab", "c")) != token_prefix("t", ("a", "bc"))


@pytest.mark.parametrize("readable", ["flight_delays-tune", "tune", "", "a-b-c-d-e-f-g-h-i"])
@pytest.mark.parametrize("number", [1, MAX_NUMBER])
def test_shortened_keeps_what_makes_it_unique(readable, number):
    name = token(token_prefix(readable, IDENTITY), number)
    short = shortened(name, 32)
    assert SAGEMAKER.fullmatch(short)
    assert len(short) <= 32
    assert short.split("-")[-2:] == name.split("-")[-2:]
    assert name.startswith(short.split("-")[0])
    assert shortened(short, 32) == short


def test_a_calls_token_fits_the_tightest_service():
    assert call_token("flights-register") == call_token("flights-register")
    assert re.fullmatch("[0-9a-f]{36}", call_token("flights-register"))
