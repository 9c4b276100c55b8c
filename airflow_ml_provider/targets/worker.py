"""What an orchestrator can't do itself runs in a small processing job: a worker job.

Neither Step Functions nor SageMaker Pipelines has a worker that could read a database, and
SageMaker Pipelines has no step that starts a Glue run or calls an AWS API.
https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.account import Account
from airflow_ml_provider.pipeline.values import JobField, find
from airflow_ml_provider.plan.nodes import Call, Extract, Job, changed
from airflow_ml_provider.targets.finding import REFUSED, Finding
from airflow_ml_provider.targets.worker_job import WorkerJobs

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

    from airflow_ml_provider.plan.nodes import Node, Plan
    from airflow_ml_provider.targets.worker_job import Lowered

_OWN_CALLS = {("sagemaker", "create_model"), ("sagemaker", "create_model_package")}
_BLOCKS = {"then", "otherwise", "body", "fallback"}


def with_worker_jobs(
    plan: Plan, target: str, account: Account | None = None
) -> tuple[Plan, list[Finding]]:
    """Make a processing job of each node that the target can't run by itself.

    Order, outputs, retries, fallback, report and timeout stay. The image of an extract is its own,
    else the account's ``worker_image_uri``, else another extract's; that of a Glue run or a call is
    the account's, else the first extract's, else that of the plan's first processing job. Role,
    network, tags and KMS key are the account's.

    The findings say for each such node how it runs, or why it can't: no image, a value that no
    environment variable can hold, ``on_empty="skip"``. To read fields of its job is refused too.
    """
    nodes = worker_nodes(plan, target)
    if not nodes:
        return plan, []
    jobs = WorkerJobs(plan, account or Account())

    def change(node: Node) -> Node:
        return jobs.job(node) if _is_lowered(node, target) else node

    made = replace(plan, nodes=changed(plan.nodes, change))
    names = {node.name for node in nodes}
    refused = [
        Finding(
            node.name,
            "job field",
            REFUSED,
            f"{'.'.join(one.path)} of {one.step!r}, which runs inside a processing job there; let "
            "a script that needs it ask AWS, or write it to an output",
        )
        for node in plan.all_nodes()
        for one in find(_own(node), (JobField,))
        if one.step in names
    ]
    return made, [*(one for node in nodes for one in jobs.findings[node.name]), *refused]


def worker_nodes(plan: Plan, target: str) -> list[Lowered]:
    """List the nodes that run in a worker job on the target, as they are before."""
    return [node for node in plan.all_nodes() if _is_lowered(node, target)]


def _is_lowered(node: Node, target: str) -> TypeGuard[Lowered]:
    if isinstance(node, Extract):
        return target in {"step-functions", "sagemaker"}
    if isinstance(node, Job):
        return target == "sagemaker" and node.kind == "glue"
    own = isinstance(node, Call) and (node.service, node.action) not in _OWN_CALLS
    return target == "sagemaker" and own


def _own(node: Node) -> list[Any]:
    return [getattr(node, field.name) for field in fields(node) if field.name not in _BLOCKS]
