"""What becomes of each feature of a plan on Step Functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.values import Parameter
from airflow_ml_provider.plan.nodes import Approval, Extract, Job, Map, blocks_of
from airflow_ml_provider.targets.features import uses
from airflow_ml_provider.targets.finding import KEPT, LOWERED, REFUSED, Finding
from airflow_ml_provider.targets.step_functions.order import all_before, effective_order
from airflow_ml_provider.targets.step_functions.structure import is_distributed
from airflow_ml_provider.targets.step_functions.tasks import JOB_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.plan.nodes import Block, Plan
    from airflow_ml_provider.targets.features import Use

# The state of an execution holds 256 KiB; other data needs room beside the items.
_MOST_ITEM_BYTES = 200_000


def findings(plan: Plan) -> list[Finding]:
    """Say what becomes of each use of a feature, then which steps wait for more than they need."""
    return [*(_finding(use) for use in uses(plan)), *_orders(plan.nodes)]


def _finding(use: Use) -> Finding:
    node, feature = use.node, use.feature
    verdict, how = KEPT, ""
    if isinstance(node, Extract) and feature == "extract":
        verdict, how = REFUSED, "no worker job was made of it; compile the pipeline as a whole"
    elif isinstance(node, Job) and feature.endswith(" job") and node.kind not in JOB_KINDS:
        known = ", ".join(sorted(JOB_KINDS))
        verdict, how = REFUSED, f"Step Functions waits for jobs of the kinds {known}"
    elif isinstance(node, Job) and feature == "retry" and _by_class(node):
        verdict = LOWERED
        how = (
            "a job that started and then failed for want of capacity counts as a failed job: "
            "Step Functions gives both the name States.TaskFailed"
        )
    elif isinstance(node, Approval) and not node.queue_url:
        verdict, how = REFUSED, "it asks a queue; give Approval(queue_url=...)"
    elif isinstance(node, Map) and feature == "map":
        verdict, how = _map(node)
    elif feature == "map over a parameter":
        verdict = LOWERED
        how = "its items are not counted before the run: 40 at a time, in one execution's history"
    elif feature == "data interval":
        verdict = LOWERED
        how = "given in the execution's input, in UTC; without it, the start of the execution"
    elif feature == "cache":
        verdict, how = LOWERED, "every run does the work anew: Step Functions keeps no results"
    return Finding(use.step, feature, verdict, how)


def _by_class(node: Job) -> bool:
    return any(
        one.attempts and one.errors and not {"service", "job"}.issubset(one.errors)
        for one in node.retry
    )


def _map(node: Map) -> tuple[str, str]:
    if isinstance(node.items, Parameter):
        return KEPT, ""
    size = len(json.dumps(node.items).encode())
    if size > _MOST_ITEM_BYTES:
        return REFUSED, (
            f"its items are {size:,} bytes of JSON, and an execution's state holds 256 KiB; put "
            "them into S3 and give the keys"
        )
    if is_distributed(node):
        return LOWERED, f"each of its {len(node.items)} items runs as an execution of its own"
    return KEPT, ""


def _orders(block: Block) -> Iterator[Finding]:
    asked = all_before({node.name: node.after for node in block})
    for name, waited in effective_order(block).items():
        if invented := waited - asked[name]:
            # Those that end before another invented one need no mention.
            last = sorted(invented.difference(*(asked[one] for one in invented)))
            how = (
                f"it also waits for {', '.join(last)}, and does not start if one of them fails: "
                "states have no order but series and parallel"
            )
            yield Finding(name, "order", LOWERED, how)
    for node in block:
        for inner in blocks_of(node):
            yield from _orders(inner)
