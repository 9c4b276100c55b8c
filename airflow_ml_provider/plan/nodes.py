"""The nodes of a plan. Requests are AWS's own, with values that are known only in the run."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
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
class _Work(_Node):
    """What may fail: ``retry`` is the first entry that covers the failure.

    If it failed for good, ``fallback`` runs in its place, and the run goes on as that block ends.
    """

    retry: tuple[Retry, ...]
    fallback: Block = ()


@dataclass(frozen=True, kw_only=True)
class Job(_Work):
    """A remote job: its kind is a name of the registry, its request that service's own.

    ``cache``: an earlier result of the same request may stand for a run of the job, up to this age
    (an ISO 8601 duration such as ``P7D``). A target without a cache always runs it.
    ``work``: the node that this job does in the place of an orchestrator that can't.
    """

    kind: str
    request: Json
    timeout_seconds: int
    outputs: Mapping[str, Any] = field(default_factory=dict)
    report: Report | None = None
    cache: str | None = None
    work: Node | None = None


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What a call needs to be there: ``create`` is called where ``describe`` finds nothing."""

    describe: str
    key: Json
    create: str
    request: Json


@dataclass(frozen=True, kw_only=True)
class Call(_Work):
    """One call of an AWS API that answers at once; ``action`` is its botocore method name.

    ``creates``: that AWS has it already, from an earlier try of this run, is success.
    """

    service: str
    action: str
    request: Json
    resource: Resource | None = None
    creates: bool = False


@dataclass(frozen=True, kw_only=True)
class Invoke(_Work):
    """A Lambda function that is waited for; ``function`` is its name or ARN, ``payload`` JSON."""

    function: Any
    payload: Json
    timeout_seconds: int


@dataclass(frozen=True, kw_only=True)
class Extract(_Work):
    """Rows of a database to Parquet under ``output``; each target says where it runs.

    ``checks`` are JSON, see ``pipeline.extract_checks``; ``history`` is the object that holds what
    a run has to know of those before it.
    ``job`` is the CreateProcessingJob request, without its code, inputs and outputs, of a target
    that has no worker of its own; ``requirements`` are the packages that its container lacks.
    """

    conn_id: str
    query: str | None
    table: str | None
    parameters: Json
    columns: Mapping[str, str]
    output: Any
    on_empty: str
    timeout_seconds: int
    history: Any = None
    partitions: int = 1
    partition_by: str | None = None
    watermark: str | None = None
    watermark_delay_seconds: int = 0
    on_drift: str = "fail"
    checks: tuple[Json, ...] = ()
    memory_mb: int = 300
    kms_key_id: str | None = None
    job: Json = field(default_factory=dict)
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice(_Node):
    """Runs one of two blocks; what is after it follows the end of the one that ran."""

    when: Condition
    then: Block
    otherwise: Block


@dataclass(frozen=True, kw_only=True)
class Map(_Node):
    """Runs ``body`` once an item, at most ``concurrency`` at a time; 0 is no limit.

    Items are JSON, given or a parameter's value; ``Item`` values in the body stand for them. The
    body's names are unique in the plan. An item that fails lets the others end, then the map fails.
    """

    items: tuple[Any, ...] | Parameter
    body: Block
    concurrency: int = 0


@dataclass(frozen=True, kw_only=True)
class Approval(_Node):
    """Waits until somebody approves the model package that the call ``model`` registered.

    It fails when the package is rejected and after ``timeout_seconds``. ``queue_url`` is the SQS
    queue that gets the question where the target waits for a token instead of asking the registry.
    """

    model: str
    queue_url: Any
    timeout_seconds: int
    poll_seconds: int


@dataclass(frozen=True, kw_only=True)
class Fail(_Node):
    """Fails the run with a message."""

    message: Any


Node: TypeAlias = "Job | Call | Invoke | Extract | Choice | Map | Approval | Fail"
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
        """Every node, those inside other nodes too."""
        return all_nodes(self.nodes)

    @property
    def mapped(self) -> frozenset[str]:
        """The names of all nodes inside maps, which run once an item."""
        maps = (node for node in self.all_nodes() if isinstance(node, Map))
        return frozenset(inner.name for one in maps for inner in all_nodes(one.body))


def all_nodes(block: Block) -> Iterator[Node]:
    """Every node of a block and of the blocks in it."""
    for node in block:
        yield node
        for inner in blocks_of(node):
            yield from all_nodes(inner)


def blocks_of(node: Node) -> tuple[Block, ...]:
    """The blocks inside a node: the arms of a choice, the body of a map, a fallback."""
    if isinstance(node, Choice):
        return (node.then, node.otherwise)
    if isinstance(node, Map):
        return (node.body,)
    return (node.fallback,) if isinstance(node, _Work) else ()


def changed(block: Block, change: Callable[[Node], Node]) -> Block:
    """Copy a block with ``change`` made to each node, to those inside before those around them."""

    def one(node: Node) -> Node:
        if isinstance(node, Choice):
            then, otherwise = changed(node.then, change), changed(node.otherwise, change)
            node = replace(node, then=then, otherwise=otherwise)
        elif isinstance(node, Map):
            node = replace(node, body=changed(node.body, change))
        elif isinstance(node, _Work) and node.fallback:
            node = replace(node, fallback=changed(node.fallback, change))
        return change(node)

    return tuple(one(node) for node in block)
