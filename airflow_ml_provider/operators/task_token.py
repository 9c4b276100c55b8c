"""What makes a piece of work unique, as far as Airflow knows it."""

from __future__ import annotations

from typing import Any

from airflow_ml_provider.jobs.token import call_token, token_prefix

_MOST_EARLIER = 20


def task_token(context: Any, max_tries: int | None = None) -> str:
    """Give the prefix of the names of this task's jobs.

    A retry leaves all that goes into it; a person's clear raises ``ti.max_tries``, and a run that
    was deleted and made again has another start date.
    """
    ti, dag_run = context["ti"], context["dag_run"]
    began = dag_run.start_date
    identity = (
        ti.dag_id,
        ti.run_id,
        f"{began.timestamp():.6f}" if began else "",
        ti.task_id,
        str(ti.map_index),
        str(ti.max_tries if max_tries is None else max_tries),
    )
    return token_prefix(f"{ti.dag_id}-{ti.task_id}", identity)


def earlier_tokens(context: Any) -> tuple[str, ...]:
    """Give the prefixes that this task may have had before it was cleared, the latest first."""
    ti = context["ti"]
    first = max(ti.task.retries or 0, ti.max_tries - _MOST_EARLIER)
    return tuple(task_token(context, tries) for tries in range(ti.max_tries - 1, first - 1, -1))


def client_token(context: Any) -> str:
    """Give a token for one call that the task makes."""
    return call_token(task_token(context))
