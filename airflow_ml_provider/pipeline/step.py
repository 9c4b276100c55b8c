"""What all steps have in common."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import JobField, Metric, Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ERRORS = ("service", "job")
"""The classes of failures that a ``Retry`` tells apart."""
_EMPTY: tuple[object, ...] = (None, "", {}, (), [])


@dataclass(frozen=True)
class Retry:
    """How often a failed step is started anew.

    ``attempts`` counts the tries after the first; the pause starts at ``interval_seconds`` and is
    multiplied by ``backoff`` each time, up to ``max_delay_seconds``; ``jitter`` draws it between
    nothing and that. ``errors`` says which failures it is for: ``service`` (AWS could not do it:
    throttling, no capacity, an internal error), ``job`` (the job or the call itself failed), or
    ``None``: all that the target can repeat.
    """

    attempts: int = 2
    interval_seconds: int = 60
    backoff: float = 2.0
    max_delay_seconds: int = 900
    jitter: bool = False
    errors: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Report:
    """Where a step leaves its metrics: a JSON ``file`` in one of its outputs.

    ``section`` is the object of that file in which short metric names are looked up.
    """

    output: str
    file: str
    section: str | None = None


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """Options of every step.

    ``timeout_seconds`` bounds the job itself; ``overrides`` is merged last into the AWS request,
    so that every field of the API can be reached. ``after`` names steps of the same block that must
    have ended well although nothing of them is used. ``fallback`` runs if the step failed for good;
    what follows the step then follows the fallback, so nobody may use the step's data. ``cache`` is
    the age (an ISO 8601 duration such as ``P7D``) up to which an earlier result of the same job may
    stand for a run of it, where the target has a cache.
    """

    retry: Retry | Sequence[Retry] = field(default_factory=Retry)
    timeout_seconds: int = 3600
    overrides: Mapping[str, Any] = field(default_factory=dict)
    after: Sequence[Step] = ()
    fallback: Sequence[Step] = ()
    cache: str | None = None

    def __post_init__(self) -> None:
        # A step alone is meant as a list of one; as a sequence it would never end.
        for name in ("after", "fallback"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, Step) else tuple(given))


@dataclass(frozen=True)
class Step(StepOptions):
    """A named piece of work. Steps follow each other by the references they hold."""

    name: str

    required: ClassVar[tuple[str, ...]] = ()
    """Fields that may not be empty; checked with the whole pipeline, to name all at once."""

    @property
    def retries(self) -> tuple[Retry, ...]:
        """Its retries, each for some failures; the first that covers a failure counts."""
        return (self.retry,) if isinstance(self.retry, Retry) else tuple(self.retry)

    @property
    def missing(self) -> list[str]:
        """The required fields that were left empty."""
        return [name for name in self.required if getattr(self, name) in _EMPTY]

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs that other steps may refer to."""
        return ()

    @property
    def metrics_report(self) -> Report | None:
        """Where its metrics lie, if it makes any."""
        return None

    @property
    def output(self) -> Output:
        """Its only output; a step with several is asked by name: ``step["train"]``."""
        if len(self.output_names) != 1:
            names = ", ".join(self.output_names) or "none"
            message = f'step {self.name!r} has not one output ({names}): refer to step["name"]'
            raise AttributeError(message)
        return Output(self.name, self.output_names[0])

    def __getitem__(self, name: str) -> Output:
        """Refer to one output by its name."""
        return Output(self.name, name)

    def metric(self, *path: str) -> Metric:
        """Refer to a number of its report.

        One name is looked up as SageMaker's model-quality JSON spells it,
        ``<section>.<name>.value``; several names are the path from the top.
        https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
        """
        report = self.metrics_report
        if len(path) == 1 and report is not None and report.section is not None:
            return Metric(self.name, (report.section, path[0], "value"))
        return Metric(self.name, path)

    def field(self, *path: str) -> JobField:
        """Refer to a field of what AWS answers about the finished job."""
        return JobField(self.name, path)
