"""A plan's requests against AWS's own service models, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore import xform_name

from airflow_ml_provider.aws.validation import (
    coerce,
    coerce_job_request,
    job_request_problems,
    operation_names,
    request_problems,
)
from airflow_ml_provider.jobs.errors import UnknownKindError
from airflow_ml_provider.jobs.registry import kind
from airflow_ml_provider.plan.build import without_role
from airflow_ml_provider.plan.nodes import Call, Job
from airflow_ml_provider.plan.sample import sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.plan.nodes import Json, Plan


def plan_problems(plan: Plan) -> list[str]:
    """Name what AWS would refuse: step, operation, field, value and what is allowed.

    Values that only a run knows are replaced by samples. Needs no credentials and no network.
    """
    return without_role(plan) + [
        f"step {node.name!r}: {problem}"
        for node in plan.all_nodes()
        if isinstance(node, (Job, Call))
        for problem in (_job_problems(node) if isinstance(node, Job) else _call_problems(node))
    ]


def _job_problems(node: Job) -> Iterator[str]:
    try:
        job_kind = kind(node.kind)
    except UnknownKindError as error:
        yield f"kind: {error}"
        return
    yield from job_request_problems(job_kind, coerce_job_request(job_kind, sample(node.request)))


def _call_problems(node: Call) -> Iterator[str]:
    calls = [(node.action, node.request)]
    if node.resource is not None:
        calls += [
            (node.resource.describe, node.resource.key),
            (node.resource.create, node.resource.request),
        ]
    operations = {xform_name(name): name for name in operation_names(node.service)}
    for action, request in calls:
        if action in operations:
            yield from _problems(node.service, operations[action], sample(request))
        else:
            yield f"action: {node.service} has no {action!r}"


def _problems(service: str, operation: str, request: Json) -> Iterator[str]:
    for problem in request_problems(service, operation, coerce(service, operation, request)):
        yield f"{operation}: {problem}"
