"""Steps that decide and tell."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.step import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_ml_provider.pipeline.conditions import Condition


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


def all_steps(steps: Iterable[Step]) -> Iterator[Step]:
    """Every step of a block and of the choices in it."""
    for step in steps:
        yield step
        if isinstance(step, Choice):
            yield from all_steps((*step.then, *step.otherwise))
