"""The usual shape of a training pipeline in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.factories.pipeline_dag import pipeline_dag
from airflow_ml_provider.pipeline import Choice, Pipeline, RegisterModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_ml_provider._compat import DAG
    from airflow_ml_provider.pipeline import Condition, Evaluation, Step, Training


def training_dag(
    dag_id: str,
    *,
    data: Sequence[Step],
    training: Training,
    evaluation: Evaluation,
    gate: Condition,
    group: str,
    otherwise: Sequence[Step] = (),
    approval_status: str = "PendingManualApproval",
    root: str | None = None,
    folder: Path | str | None = None,
    keyed_by: str = "interval",
    on_empty: str = "continue",
    **dag_options: Any,
) -> DAG:
    """Make the DAG: ``data`` steps, training, evaluation, and registration if ``gate`` is true.

    The model goes to the model package group ``group``; ``otherwise`` holds what runs when the gate
    refuses. The step names ``gate`` and ``register`` are taken. ``dag_options`` are those of
    :func:`pipeline_dag`.

    :raises PipelineError: with every problem of the definition.
    """
    register = RegisterModel(
        "register",
        model=training,
        metrics=evaluation,
        group=group,
        approval_status=approval_status,
    )
    pipeline = Pipeline(
        dag_id,
        root=root,
        folder=folder,
        keyed_by=keyed_by,
        on_empty=on_empty,
        steps=[
            *data,
            training,
            evaluation,
            Choice("gate", gate, then=[register], otherwise=otherwise),
        ],
    )
    return pipeline_dag(pipeline, **dag_options)
