from __future__ import annotations

import re
from datetime import timedelta

from airflow_ml_provider.operators.task_token import client_token, earlier_tokens, task_token


def test_a_retry_has_the_same_token(context):
    assert task_token(context) == task_token(dict(context))


def test_a_clear_a_new_run_and_a_mapped_sister_have_others(context, ti):
    tokens = {task_token(context)}
    ti.max_tries = 3
    tokens.add(task_token(context))
    ti.map_index = 0
    tokens.add(task_token(context))
    context["dag_run"].start_date += timedelta(microseconds=1)
    tokens.add(task_token(context))
    assert len(tokens) == 4


def test_the_tokens_before_a_clear_are_known(context, ti):
    before = task_token(context)
    assert earlier_tokens(context) == ()
    ti.max_tries = 3
    assert earlier_tokens(context)[-1] == before
    assert len(earlier_tokens(context)) == 2


def test_looking_back_is_bounded(context, ti):
    ti.max_tries = 1000
    assert len(earlier_tokens(context)) == 20


def test_a_client_token_suits_every_service(context):
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,36}", client_token(context))
