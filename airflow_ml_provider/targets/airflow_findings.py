"""What becomes of each feature of a plan on Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.plan.nodes import Call, Extract, Invoke, Job, Map
from airflow_ml_provider.targets.airflow_tasks import attempts_of
from airflow_ml_provider.targets.features import uses
from airflow_ml_provider.targets.finding import LOWERED, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.plan.nodes import Node, Plan

# https://airflow.apache.org/docs/apache-airflow/stable/configurations-ref.html#max-map-length
_MAP_LENGTH = 1024
_DOUBLES = 2


def findings_of(plan: Plan) -> list[Finding]:
    """Give a finding for each use of a feature."""
    found = []
    for use in uses(plan):
        how = _lowered(use.feature, use.node)
        kept = Finding(use.step, use.feature)
        found.append(Finding(use.step, use.feature, LOWERED, how) if how else kept)
    return found


def _lowered(feature: str, node: Node | None) -> str:
    if isinstance(node, Map):
        return _of_map(feature, node)
    if feature == "cache":
        return "the job runs anew in every run"
    if isinstance(node, (Job, Call, Invoke, Extract)):
        return " ".join(_of_retries(feature, node))
    return ""


def _of_map(feature: str, node: Map) -> str:
    length = len(node.items) if isinstance(node.items, tuple) else 0
    if feature == "map" and length > _MAP_LENGTH:
        return f"needs [core] max_map_length of {length} in Airflow's configuration"
    if feature == "map concurrency":
        return f"each step of the body runs at most {node.concurrency} at a time, not each item"
    return ""


def _of_retries(feature: str, node: Job | Call | Invoke | Extract) -> Iterator[str]:
    pauses = next((entry for entry in node.retry if entry.attempts), None)
    if pauses is None:
        return
    if feature == "several retries":
        told = ", ".join(f"{count} for {name}" for name, count in attempts_of(node.retry).items())
        yield f"tries are counted together, at most {told}; the pauses are the first entry's"
    if feature == "retry backoff" and pauses.backoff not in {1, _DOUBLES}:
        yield f"each pause is twice the one before, not {pauses.backoff:g} times"
    if feature == "retry jitter":
        yield (
            "pauses are spread by a hash of the task"
            if pauses.backoff > 1
            else "the pause is the same each time; Airflow spreads pauses only with a backoff"
        )
