"""What a plan asks of a target, named once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import (
    Dataset,
    Metric,
    Parameter,
    ResourceName,
    Run,
    Token,
    find,
)
from airflow_ml_provider.plan.nodes import (
    Approval,
    Call,
    Choice,
    Extract,
    Fail,
    Invoke,
    Job,
    Map,
    blocks_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.plan.nodes import Block, Node, Plan

_NODES = {
    Call: "AWS call",
    Invoke: "Lambda function",
    Extract: "extract",
    Choice: "choice",
    Map: "map",
    Approval: "approval",
    Fail: "fail",
}


@dataclass(frozen=True)
class Use:
    """That a step uses a feature; ``node`` is ``None`` where the whole plan does."""

    step: str
    feature: str
    node: Node | None = None


def uses(plan: Plan) -> list[Use]:
    """List every use of a feature: those of the plan, then those of its nodes in their order.

    The features are: ``run parameters``, ``data interval``, ``run key by execution``; ``<kind>
    job`` for each kind of job, ``AWS call``, ``Lambda function``, ``extract``, ``choice``, ``map``,
    ``approval``, ``fail``; ``cache``; ``retry``, ``retry of failed jobs``, ``several retries``,
    ``retry backoff``, ``retry jitter``; ``fallback``, ``rejoin``, ``map over a parameter``, ``map
    concurrency``, ``metric in a condition``, ``metric in a request``, ``shared dataset``, ``client
    token``, ``name of a resource``.
    """
    whole = []
    if plan.parameters:
        whole.append(Use("", "run parameters"))
    held = find([plan.nodes], (Run,))
    if set(held) - {Run.KEY, Run.ID}:
        whole.append(Use("", "data interval"))
    if plan.keyed_by == "execution":
        whole.append(Use("", "run key by execution"))
    return [*whole, *_block(plan.nodes)]


def _block(block: Block) -> Iterator[Use]:
    rejoined = {node.name for node in block if isinstance(node, Choice) or _fallback(node)}
    for node in block:
        for feature in _features(node):
            yield Use(node.name, feature, node)
        if rejoined.intersection(node.after):
            yield Use(node.name, "rejoin", node)
        for inner in blocks_of(node):
            yield from _block(inner)


def _features(node: Node) -> Iterator[str]:
    if isinstance(node, Job):
        yield from _of_job(node)
    else:
        yield _NODES[type(node)]
    if isinstance(node, (Job, Call, Invoke, Extract)):
        yield from _retries(node)
        if node.fallback:
            yield "fallback"
        yield from _values(_request(node))
    elif isinstance(node, Choice):
        if find(node.when, (Metric,)):
            yield "metric in a condition"
    elif isinstance(node, Map):
        if isinstance(node.items, Parameter):
            yield "map over a parameter"
        if node.concurrency:
            yield "map concurrency"


def _of_job(node: Job) -> Iterator[str]:
    # A step asks for it, unless it was made of another node for want of a worker.
    if node.work is None or node.kind == "glue":
        yield f"{node.kind} job"
    if node.cache:
        yield "cache"


def _request(node: Job | Call | Invoke | Extract) -> object:
    if isinstance(node, Extract):
        return [node.parameters, node.checks]
    return [node.function, node.payload] if isinstance(node, Invoke) else node.request


def _fallback(node: Node) -> Block:
    return getattr(node, "fallback", ())


def _retries(node: Job | Call | Invoke | Extract) -> Iterator[str]:
    retries = [retry for retry in node.retry if retry.attempts]
    if not retries:
        return
    yield "retry"
    # An explicit wish; `errors=None` leaves it to the target.
    if any(retry.errors and "job" in retry.errors for retry in retries):
        yield "retry of failed jobs"
    if len(retries) > 1:
        yield "several retries"
    if any(retry.backoff > 1 for retry in retries):
        yield "retry backoff"
    if any(retry.jitter for retry in retries):
        yield "retry jitter"


def _values(request: object) -> Iterator[str]:
    for feature, kind in (
        ("metric in a request", Metric),
        ("shared dataset", Dataset),
        ("client token", Token),
        ("name of a resource", ResourceName),
    ):
        if find(request, (kind,)):
            yield feature
