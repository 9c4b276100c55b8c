"""A pipeline as a plan: every step becomes a node with the request that AWS will get."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline import control_steps, data_steps, model_steps
from airflow_ml_provider.pipeline.account import Account
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.s3_address import root_problem
from airflow_ml_provider.pipeline.values import Parameter
from airflow_ml_provider.plan.calls import call
from airflow_ml_provider.plan.extracts import extract
from airflow_ml_provider.plan.models import model_call, transform_request
from airflow_ml_provider.plan.nodes import Approval, Call, Choice, Fail, Job, Map, Plan
from airflow_ml_provider.plan.place import Place, merged, with_texts
from airflow_ml_provider.plan.sagemaker import processing_request, training_request
from airflow_ml_provider.plan.spark import spark_request
from airflow_ml_provider.plan.tuning import tuning_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_ml_provider.pipeline.pipeline import Pipeline
    from airflow_ml_provider.pipeline.step import Step
    from airflow_ml_provider.plan.nodes import Block, Extract, Invoke, Node


def build(pipeline: Pipeline, account: Account | None = None) -> Plan:
    """Turn a pipeline into its plan; ``account`` fills in what the steps leave out.

    A role that nobody gave is no error here, so that a DAG can be imported before its Airflow is
    configured; :func:`without_role` names the steps.

    :raises PipelineError: if there is no root or a wrong one, or a query can't be read.
    """
    account = account or Account()
    place = Place(account, job_prefix=f"{pipeline.name}-", outputs={})
    root = pipeline.root or account.root or ""
    nodes = _block(pipeline.steps, pipeline, place)
    missing = "root: missing; give Pipeline(root=...) or configure `root`"
    # The account's root was in no pipeline's check.
    if problem := root_problem(root) if root else missing:
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
        request=with_texts(request),
        retry=step.retries,
        timeout_seconds=step.timeout_seconds,
        outputs={name: place.output(step.name, name) for name in step.output_names},
        report=step.metrics_report,
        cache=step.cache,
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
    # Inside a block only its own steps count: what they refer to outside is what the step that
    # holds the block waits for.
    names = {step.name for step in steps}
    return tuple(_node(step, names, pipeline, place) for step in steps)


def _node(step: Step, block: set[str], pipeline: Pipeline, place: Place) -> Node:
    after = tuple(sorted(pipeline.needs[step.name] & block - {step.name}))
    control = _control(step, after, pipeline, place)
    if control is not None:
        return control
    node = _work(step, after, pipeline, place)
    if not step.fallback:
        return node
    return replace(node, fallback=_block(step.fallback, pipeline, place))


def _work(
    step: Step, after: tuple[str, ...], pipeline: Pipeline, place: Place
) -> Job | Call | Invoke | Extract:
    if isinstance(step, data_steps.SqlExtract):
        query = step.query
        if query is not None and query.endswith(".sql"):
            query = pipeline.path(query).read_text(encoding="utf-8")
        node = extract(step, place, query=query, on_empty=pipeline.on_empty, after=after)
        if step.on is None:
            return node
        from airflow_ml_provider.plan.glue_shell import (  # noqa: PLC0415 - few DAGs need it
            glue_job,
        )

        every = pipeline.all_steps()
        maps = {one.name: one for one in every if isinstance(one, control_steps.Map)}
        return glue_job(step, step.on, node, place, maps)
    if isinstance(step, model_steps.Model):
        return model_call(step, place, after=after)
    return call(step, place, after=after) or job(step, place, after=after)


def _control(
    step: Step, after: tuple[str, ...], pipeline: Pipeline, place: Place
) -> Choice | Map | Approval | Fail | None:
    if isinstance(step, control_steps.Choice):
        return Choice(
            name=step.name,
            after=after,
            when=step.when,
            then=_block(step.then, pipeline, place),
            otherwise=_block(step.otherwise, pipeline, place),
        )
    if isinstance(step, control_steps.Map):
        items = step.items if isinstance(step.items, Parameter) else tuple(step.items)
        return Map(
            name=step.name,
            after=after,
            items=items,
            body=_block(step.body, pipeline, place),
            concurrency=step.concurrency,
        )
    if isinstance(step, control_steps.Approval):
        return Approval(
            name=step.name,
            after=after,
            model=step.model.name,
            queue_url=step.queue_url,
            timeout_seconds=step.timeout_seconds,
            poll_seconds=step.poll_seconds,
        )
    if isinstance(step, control_steps.Fail):
        return Fail(name=step.name, after=after, message=step.message)
    return None
