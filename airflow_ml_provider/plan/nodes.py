"""The nodes of a plan. Requests are AWS's own, with values that are known only in the run."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from typing_extensions import TypeAlias

    from airflow_ml_provider.pipeline.conditions import Condition
    from airflow_ml_provider.pipeline.step import Report, Retry
    from airflow_ml_provider.pipeline.values import Parameter

Json: TypeAlias = "Mapping[str, Any]"


@dataclass(frozen=True, kw_only=True)
class _Node:
    """``after`` names the nodes of the same block that must have ended well before."""

    name: str
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Job(_Node):
    """A remote job: its kind is a name of the registry, its request that service's own."""

    kind: str
    request: Json
    retry: Retry
    timeout_seconds: int
    outputs: Mapping[str, Any] = field(default_factory=dict)
    report: Report | None = None


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What a call needs to be there: ``create`` is called where ``describe`` finds nothing."""

    describe: str
    key: Json
    create: str
    request: Json


@dataclass(frozen=True, kw_only=True)
class Call(_Node):
    """One call of an AWS API that answers at once; ``action`` is its botocore method name."""

    service: str
    action: str
    request: Json
    retry: Retry
    resource: Resource | None = None


@dataclass(frozen=True, kw_only=True)
class Extract(_Node):
    """Rows of a database to Parquet under ``output``; each target says where it runs."""

    conn_id: str
    query: str | None
    table: str | None
    parameters: Json
    columns: Mapping[str, str]
    output: Any
    on_empty: str
    retry: Retry
    timeout_seconds: int


@dataclass(frozen=True, kw_only=True)
class Choice(_Node):
    """Runs one of two blocks."""

    when: Condition
    then: Block
    otherwise: Block


Node: TypeAlias = "Job | Call | Extract | Choice"
Block: TypeAlias = "tuple[Node, ...]"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All of a pipeline; ``nodes`` is a small DAG, as is each block inside it.

    ``root`` has no slash at its end. ``folder`` is where the local files of ``Code`` lie.
    """

    name: str
    root: str
    folder: Path
    keyed_by: str
    parameters: tuple[Parameter, ...]
    nodes: Block

    def all_nodes(self) -> Iterator[Node]:
        """Every node, those inside choices too."""
        return all_nodes(self.nodes)


def all_nodes(block: Block) -> Iterator[Node]:
    """Every node of a block and of the choices in it."""
    for node in block:
        yield node
        if isinstance(node, Choice):
            yield from all_nodes((*node.then, *node.otherwise))
