"""What SageMaker Pipelines makes of each feature: kept, lowered or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.values import JobField, Metric, find
from airflow_ml_provider.plan.nodes import Approval, Call, Choice, Fail, Invoke, Job, Map
from airflow_ml_provider.targets.finding import KEPT, LOWERED, REFUSED, Finding
from airflow_ml_provider.targets.sagemaker_pipelines.conditions import count
from airflow_ml_provider.targets.sagemaker_pipelines.retries import (
    MAX_ATTEMPTS,
    MAX_INTERVAL_SECONDS,
    can_retry,
    for_service,
)
from airflow_ml_provider.targets.sagemaker_pipelines.steps import step_type
from airflow_ml_provider.targets.sagemaker_pipelines.values import RUN_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import TypeAlias

    from airflow_ml_provider.pipeline.step import Retry
    from airflow_ml_provider.plan.nodes import Node, Plan
    from airflow_ml_provider.targets.features import Use

    Verdict: TypeAlias = "tuple[str, str]"

MAX_PARAMETERS = 200
"""Of an execution: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_SageMakerPipelineParameters.html"""

MAX_CONDITIONS = 200
"""Of one choice: more of them is no limit of the service, but nothing that anybody wrote."""

_KEPT = (KEPT, "")
_SAID: dict[str, Verdict] = {
    "data interval": (
        LOWERED,
        "parameters without default: who starts an execution gives them",
    ),
    "extract": (REFUSED, "no step reads a database; let a Processing(...) do it"),
    "fail": (LOWERED, "what runs beside it ends, but nothing more of the execution starts"),
    "retry of failed jobs": (
        REFUSED,
        "a job that failed is never repeated; leave errors=None or 'service', or give fallback=",
    ),
    "several retries": (LOWERED, "the first for what AWS could not do counts, there is no other"),
    "retry jitter": (LOWERED, "the pauses have no jitter"),
    "fallback": (
        LOWERED,
        "runs when the step has failed; the execution then ends as CompletedWithFailures",
    ),
    "map over a parameter": (
        REFUSED,
        "a ForEach step tells no index, which the outputs' paths need; give a literal list",
    ),
    "map concurrency": (
        LOWERED,
        "all items start at once; the pipeline's MaxParallelExecutionSteps bounds all steps",
    ),
    "client token": (LOWERED, "left out: the service itself starts a step once"),
    "name of a resource": (LOWERED, "the service gives the name; others refer to the step's"),
}


def verdict(use: Use, plan: Plan) -> Finding:
    """Say what becomes of one use of a feature."""
    node = use.node
    judged = _SAID.get(use.feature, _KEPT)
    if use.feature == "run parameters":
        judged = _parameters(plan)
    elif use.feature == "cache":
        judged = _cache(plan)
    elif isinstance(node, Job) and use.feature == f"{node.kind} job":
        judged = _job(node)
    elif node is not None and use.feature.startswith("metric in a "):
        judged = _metrics(node, plan)
    elif isinstance(node, Invoke) and use.feature == "Lambda function":
        judged = _function(node, plan)
    elif node is not None and use.feature in _OF_NODE:
        judged = _OF_NODE[use.feature](node)
    return Finding(use.step, use.feature, *judged)


def further(plan: Plan) -> Iterator[Finding]:
    """List what concerns this target alone."""
    for node in plan.all_nodes():
        if isinstance(node, Invoke):
            how = (
                f"timeout_seconds={node.timeout_seconds} doesn't count, but the function's own; "
                "the step fails after 10 minutes"
            )
            yield Finding(node.name, "timeout", LOWERED, how)
        elif isinstance(node, Fail) and find(node.message, (Metric,)):
            yield Finding(node.name, "metric in a message", *_metrics(node, plan))


def _parameters(plan: Plan) -> Verdict:
    if len(plan.parameters) > MAX_PARAMETERS:
        return REFUSED, f"{len(plan.parameters)}; an execution takes at most {MAX_PARAMETERS}"
    taken = {one.name for one in plan.parameters}.intersection(RUN_PARAMETERS.values())
    if taken:
        names = ", ".join(sorted(taken))
        return REFUSED, f"{names} tells of the run itself there; choose another name"
    return _KEPT


def _job(node: Node) -> Verdict:
    if step_type(node):
        return _KEPT
    return REFUSED, (
        "no step runs such a job; use Processing(...), or for Spark "
        "SparkTransform(..., on=EmrServerless(...))"
    )


def _call(node: Node) -> Verdict:
    if not step_type(node):
        return REFUSED, "no step makes this call; make it in a function: LambdaCall(...)"
    if isinstance(node, Call) and node.resource and node.resource.request.get("Tags"):
        return LOWERED, f"{node.resource.create} is left to the service, which sets no tags"
    return _KEPT


def _function(node: Invoke, plan: Plan) -> Verdict:
    if isinstance(node.function, str) and not node.function.startswith("arn:"):
        return REFUSED, f"{node.function!r} is a name; give the function's ARN"
    nested = [key for key, value in node.payload.items() if isinstance(value, (dict, list, tuple))]
    if nested:
        names = ", ".join(sorted(nested))
        return REFUSED, f"its payload has no depth there, so no {names}; give flat fields"
    fields = [one for one in find([plan.nodes], (JobField,)) if one.step == node.name]
    deep = sorted({".".join(one.path) for one in fields if len(one.path) != 1})
    if deep:
        return REFUSED, f"its answer has no depth there, so no {deep[0]!r}; answer flat fields"
    return _KEPT


def _approval(node: Node) -> Verdict:
    if isinstance(node, Approval) and node.queue_url is None:
        return REFUSED, "a queue is where the service asks; give Approval(queue_url=...)"
    return LOWERED, (
        "the relay answers a message in the queue, at most 7 days later; timeout_seconds and "
        "poll_seconds don't count"
    )


def _choice(node: Node) -> Verdict:
    number = count(node.when) if isinstance(node, Choice) else 0
    if number > MAX_CONDITIONS:
        return REFUSED, (
            f"its condition would be an And of {number:,} Ors, the only form there is; make two "
            f"choices of it"
        )
    return _KEPT


def _retry(node: Node) -> Verdict:
    if not can_retry(step_type(node)):
        return LOWERED, "left to the service, which repeats after throttling and its own faults"
    retry = for_service(_retries(node))
    if retry is None or retry.errors is None:
        return LOWERED, "only for what AWS could not do, not for a job that failed"
    if retry.attempts > MAX_ATTEMPTS:
        return LOWERED, f"{MAX_ATTEMPTS} attempts, the most that there may be"
    if retry.interval_seconds > MAX_INTERVAL_SECONDS:
        return LOWERED, f"first pause {MAX_INTERVAL_SECONDS} s, the longest that there may be"
    return _KEPT


def _backoff(node: Node) -> Verdict:
    retry = for_service(_retries(node))
    if retry is None:
        return _KEPT
    longest = retry.interval_seconds * retry.backoff ** max(retry.attempts - 1, 0)
    if longest > retry.max_delay_seconds:
        return LOWERED, f"the pause grows to {longest:.0f} s; max_delay_seconds doesn't count"
    return _KEPT


def _retries(node: Node) -> tuple[Retry, ...]:
    return getattr(node, "retry", ())


def _map(node: Node) -> Verdict:
    items = node.items if isinstance(node, Map) and isinstance(node.items, tuple) else ()
    return LOWERED, f"unrolled: its steps are there {len(items)} times, as <step>-<index>"


def _metrics(node: Node, plan: Plan) -> Verdict:
    by_name = {one.name: one for one in plan.all_nodes()}
    for metric in find([node.when if isinstance(node, Choice) else node], (Metric,)):
        source = by_name.get(metric.step)
        if not isinstance(source, Job) or step_type(source) != "Processing" or not source.report:
            return REFUSED, (
                f"only the report of a processing job can be read, and {metric.step!r} is none; "
                f"let a Processing(..., report=Report(...)) write it"
            )
    return _KEPT


def _cache(plan: Plan) -> Verdict:
    if plan.keyed_by == "execution":
        return LOWERED, (
            "finds nothing: paths hold the execution's id, so no request is like an earlier one; "
            "give Pipeline(keyed_by='interval')"
        )
    return _KEPT


_OF_NODE: dict[str, Callable[[Node], Verdict]] = {
    "AWS call": _call,
    "approval": _approval,
    "choice": _choice,
    "map": _map,
    "retry": _retry,
    "retry backoff": _backoff,
}
