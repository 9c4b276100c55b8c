"""What all states of one machine must know of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import JobField, Metric, find
from airflow_ml_provider.plan.nodes import Approval, Call, Invoke, Job, Map, all_nodes
from airflow_ml_provider.targets.step_functions import names, paths
from airflow_ml_provider.targets.step_functions.retries import tries_after_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_ml_provider.plan.nodes import Block, Node, Plan

PACKAGE_ARN = ("ModelPackageArn",)


@dataclass(frozen=True)
class Facts:
    """A plan and what was counted in it.

    ``nodes`` has every node by its name; ``map_of`` gives the map that a step lies in; ``fields``
    and ``metrics`` are what is asked of each step's answer and report; ``keys`` are the steps' keys
    in the state.
    """

    plan: Plan
    nodes: Mapping[str, Node]
    map_of: Mapping[str, str]
    fields: Mapping[str, set[tuple[str, ...]]]
    metrics: Mapping[str, set[tuple[str, ...]]]
    keys: Mapping[str, str]
    labels: names.Labels

    @classmethod
    def of(cls, plan: Plan) -> Facts:
        """Look through a plan."""
        nodes = {node.name: node for node in plan.all_nodes()}
        fields: dict[str, set[tuple[str, ...]]] = {}
        metrics: dict[str, set[tuple[str, ...]]] = {}
        for value in references(plan.nodes):
            kept = fields if isinstance(value, JobField) else metrics
            path = answered(value.path, nodes[value.step]) if kept is fields else value.path
            kept.setdefault(value.step, set()).add(path)
        return cls(
            plan=plan,
            nodes=nodes,
            map_of={
                inner.name: node.name
                for node in nodes.values()
                if isinstance(node, Map)
                for inner in all_nodes(node.body)
            },
            fields=fields,
            metrics=metrics,
            keys=names.keys(nodes),
            labels=names.Labels(plan.name, nodes),
        )

    def path(self, step: str, *keys: str) -> str:
        """Give the path of something that is kept of a step."""
        return paths.below(paths.STEPS, self.keys[step], *keys)

    def kept(self, step: str) -> bool:
        """Whether anything of the step is kept in the state."""
        return step in self.fields or step in self.metrics

    def name_length(self, job: Job) -> int:
        """Give how long the name of a job may be."""
        return names.SAGEMAKER[job.kind][2] if job.kind in names.SAGEMAKER else names.MAX_NAME

    def is_hashed(self, length: int) -> bool:
        """Whether a name of that length has room for the hash of the run."""
        return length >= names.MAX_NAME

    def job_label(self, step: str, length: int, attempts: int) -> str:
        """Give what the names of a step's jobs begin with, before a hyphen.

        ``length`` is the service's limit, ``attempts`` the number of tries after the first.
        """
        unique = names.HASH if self.is_hashed(length) else names.SUFFIX
        room = length - 1 - unique - names.REDRIVE - 1 - len(str(attempts))
        return self.labels.of(step, room - (names.INDEX if step in self.map_of else 0))

    def resource_label(self, step: str) -> str:
        """Give what the name of a resource that a step creates begins with, before a hyphen."""
        room = names.MAX_NAME - 1 - names.HASH
        return self.labels.of(step, room - (names.INDEX if step in self.map_of else 0))


def name_prefixes(plan: Plan) -> dict[str, str]:
    """Map each step to what the names of its jobs, or of what it creates, begin with."""
    facts = Facts.of(plan)
    return {
        name: facts.job_label(name, facts.name_length(node), tries_after_first(node.retry)) + "-"
        if isinstance(node, Job)
        else facts.resource_label(name) + "-"
        for name, node in facts.nodes.items()
    }


def references(block: Block) -> list[JobField | Metric]:
    """List what the nodes of a block, and those inside them, take from answers and reports."""
    found = find([*block], (JobField, Metric))
    approvals = [node for node in all_nodes(block) if isinstance(node, Approval)]
    return [*found, *(JobField(node.model, PACKAGE_ARN) for node in approvals)]


def needs(nodes: Iterable[Node]) -> set[str]:
    """Name the steps of which nodes take something."""
    return {value.step for value in references(tuple(nodes))}


def answered(path: tuple[str, ...], node: Node) -> tuple[str, ...]:
    """Give a field's path in the answer that Step Functions gives, whose names are PascalCase.

    https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
    """
    if isinstance(node, Invoke):
        return ("Payload", *path)
    if isinstance(node, Call) or (isinstance(node, Job) and node.kind == "emr_serverless"):
        return tuple(key[:1].upper() + key[1:] for key in path)
    return path
