"""Steps that decide, repeat, wait, end and tell, and the blocks of steps inside them."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.step import Step
from airflow_ml_provider.pipeline.values import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_ml_provider.pipeline.conditions import Condition
    from airflow_ml_provider.pipeline.model_steps import RegisterModel
    from airflow_ml_provider.pipeline.values import Parameter

WEEK_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Choice(Step):
    """A gate: the steps of ``then`` run if ``when`` is true, else those of ``otherwise``.

    A metric that is missing or is no number fails the run.
    """

    when: Condition
    then: Sequence[Step] = ()
    otherwise: Sequence[Step] = ()

    required: ClassVar[tuple[str, ...]] = ("when",)


@dataclass(frozen=True)
class Notify(Step):
    """A message to an SNS topic; ``message`` may be ``Text`` with values of the run."""

    topic_arn: Any
    message: Any
    subject: Any = None

    required: ClassVar[tuple[str, ...]] = ("topic_arn", "message")


@dataclass(frozen=True)
class RemoteJob(Step):
    """A remote job by its plain AWS request, for what no named step spells.

    ``kind`` is a name of the registry of job kinds (``sagemaker_training``, ``glue``, ...).
    ``request`` may hold values; ``outputs`` are prefixes that the request names by
    ``Output(<this step>, <name>)``.
    """

    kind: str
    request: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    required: ClassVar[tuple[str, ...]] = ("kind", "request")

    @property
    def output_names(self) -> tuple[str, ...]:
        """As given by ``outputs``."""
        return tuple(self.outputs)


@dataclass(frozen=True)
class Map(Step):
    """Runs the steps of ``body`` once for each of ``items``, at most ``concurrency`` at a time.

    ``items`` is a list of JSON values or a ``Parameter`` whose default is one; ``concurrency`` 0 is
    no limit. A step of the body says ``Item(<name of the map>, ("field",))``, which is what
    ``map.item("field")`` gives once the map is there. An item that fails lets the others end.
    """

    items: Sequence[Any] | Parameter
    body: Sequence[Step] = ()
    concurrency: int = 0

    required: ClassVar[tuple[str, ...]] = ("items", "body")

    def item(self, *path: str) -> Item:
        """Refer to the item that the body is at, or to a field of it."""
        return Item(self.name, path)


@dataclass(frozen=True)
class Approval(Step):
    """Waits until the model package that ``model`` registered is approved; a rejection fails.

    People approve in SageMaker's model registry. ``queue_url`` is the SQS queue that gets the
    question on Step Functions and SageMaker Pipelines; Airflow asks the registry itself, every
    ``poll_seconds``.
    """

    model: RegisterModel
    queue_url: Any = None
    timeout_seconds: int = field(default=WEEK_SECONDS, kw_only=True)
    poll_seconds: int = field(default=60, kw_only=True)

    required: ClassVar[tuple[str, ...]] = ("model",)


@dataclass(frozen=True)
class Fail(Step):
    """Fails the run; ``message`` may be ``Text`` with values of the run."""

    message: Any

    required: ClassVar[tuple[str, ...]] = ("message",)


def blocks_of(step: Step) -> Iterator[tuple[str, Sequence[Step]]]:
    """Give the blocks inside a step, by the field that holds them."""
    if isinstance(step, Choice):
        yield "then", step.then
        yield "otherwise", step.otherwise
    elif isinstance(step, Map):
        yield "body", step.body
    if step.fallback:
        yield "fallback", step.fallback


def all_steps(steps: Iterable[Step]) -> Iterator[Step]:
    """Every step of a block and of the blocks in it."""
    for step in steps:
        yield step
        for _, block in blocks_of(step):
            yield from all_steps(block)
