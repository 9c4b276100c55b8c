"""A pipeline as a plan: every step becomes a node with the request that AWS will get."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline import control_steps, data_steps, model_steps
from airflow_ml_provider.pipeline.account import Account
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.values import Run
from airflow_ml_provider.plan.calls import notify_call, register_call
from airflow_ml_provider.plan.models import model_call, transform_request
from airflow_ml_provider.plan.nodes import Call, Choice, Extract, Job, Plan
from airflow_ml_provider.plan.place import Place, merged
from airflow_ml_provider.plan.sagemaker import processing_request, training_request
from airflow_ml_provider.plan.spark import spark_request
from airflow_ml_provider.plan.tuning import tuning_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_ml_provider.pipeline.pipeline import Pipeline
    from airflow_ml_provider.pipeline.step import Step
    from airflow_ml_provider.plan.nodes import Block, Node

RUN_PARAMETERS = {
    "run_date": Run.DATE,
    "data_interval_start": Run.INTERVAL_START,
    "data_interval_end": Run.INTERVAL_END,
}
"""What the run brings to every query."""


def build(pipeline: Pipeline, account: Account | None = None) -> Plan:
    """Turn a pipeline into its plan; ``account`` fills in what the steps leave out.

    A role that nobody gave is no error here, so that a DAG can be imported before its Airflow is
    configured; :func:`without_role` names the steps.

    :raises PipelineError: if there is no root.
    """
    account = account or Account()
    place = Place(account, job_prefix=f"{pipeline.name}-", outputs={})
    root = pipeline.root or account.root or ""
    nodes = _block(pipeline.steps, pipeline, place)
    if not root:
        problem = "root: missing; give Pipeline(root=...) or configure `root`"
        raise PipelineError(f"pipeline {pipeline.name!r}", [problem])
    return Plan(
        name=pipeline.name,
        root=root.rstrip("/"),
        folder=Path(pipeline.folder or "."),
        keyed_by=pipeline.keyed_by,
        parameters=pipeline.parameters,
        nodes=nodes,
    )


def job(step: Step, place: Place, *, after: tuple[str, ...] = ()) -> Job:
    """Give the job node of a step that runs as a remote job.

    :raises TypeError: if it is no such step.
    """
    if isinstance(step, data_steps.SparkTransform):
        kind, request = spark_request(step, place)
    elif isinstance(step, (model_steps.Processing, model_steps.Evaluation)):
        kind, request = "sagemaker_processing", processing_request(step, place)
    elif isinstance(step, model_steps.Tuning):
        kind, request = "sagemaker_tuning", tuning_request(step, place)
    elif isinstance(step, model_steps.Training):
        kind, request = "sagemaker_training", training_request(step, place)
    elif isinstance(step, model_steps.Transform):
        kind, request = "sagemaker_transform", transform_request(step, place)
    elif isinstance(step, control_steps.RemoteJob):
        kind, request = step.kind, merged(step.request, step.overrides)
    else:
        message = f"step {step.name!r} is a {type(step).__name__}, which runs as no remote job"
        raise TypeError(message)
    return Job(
        name=step.name,
        after=after,
        kind=kind,
        request=request,
        retry=step.retries,
        timeout_seconds=step.timeout_seconds,
        outputs={name: place.output(step.name, name) for name in step.output_names},
        report=step.metrics_report,
    )


def extract(
    step: data_steps.SqlExtract,
    place: Place,
    *,
    query: str | None,
    on_empty: str,
    after: tuple[str, ...] = (),
) -> Extract:
    """Give the extract node of a step; ``query`` is the SQL itself."""
    return Extract(
        name=step.name,
        after=after,
        conn_id=step.conn_id,
        query=query,
        table=step.table,
        parameters={**RUN_PARAMETERS, **step.parameters},
        columns=dict(step.columns),
        output=place.output(step.name, "output"),
        on_empty=on_empty,
        retry=step.retries,
        timeout_seconds=step.timeout_seconds,
    )


def without_role(plan: Plan) -> list[str]:
    """Name the jobs that neither their step nor the account gives a role."""
    return [
        f"step {node.name!r}: role_arn: missing; give it to the step or configure `role_arn`"
        for node in plan.all_nodes()
        if isinstance(node, (Job, Call))
        and any(
            request.get(field) == ""
            for request in (
                node.request,
                node.request.get("Definition", {}),
                node.request.get("TrainingJobDefinition", {}),
            )
            for field in ("RoleArn", "ExecutionRoleArn", "executionRoleArn", "Role")
        )
    ]


def _block(steps: Sequence[Step], pipeline: Pipeline, place: Place) -> Block:
    # Inside a block only its own steps count: what an arm refers to outside is what the
    # choice itself waits for.
    names = {step.name for step in steps}
    return tuple(_node(step, names, pipeline, place) for step in steps)


def _node(step: Step, block: set[str], pipeline: Pipeline, place: Place) -> Node:
    after = tuple(sorted(pipeline.needs[step.name] & block - {step.name}))
    if isinstance(step, data_steps.SqlExtract):
        query = step.query
        if query is not None and query.endswith(".sql"):
            query = pipeline.path(query).read_text(encoding="utf-8")
        return extract(step, place, query=query, on_empty=pipeline.on_empty, after=after)
    if isinstance(step, control_steps.Choice):
        return Choice(
            name=step.name,
            after=after,
            when=step.when,
            then=_block(step.then, pipeline, place),
            otherwise=_block(step.otherwise, pipeline, place),
        )
    if isinstance(step, model_steps.RegisterModel):
        return register_call(step, place, after=after)
    if isinstance(step, model_steps.Model):
        return model_call(step, place, after=after)
    if isinstance(step, control_steps.Notify):
        return notify_call(step, after=after)
    return job(step, place, after=after)
