"""The pipeline: steps under one S3 root, checked as a whole when it is built."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.checks import problems_of
from airflow_ml_provider.pipeline.control_steps import all_steps
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.references import held_by, needs_of
from airflow_ml_provider.pipeline.values import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_ml_provider.pipeline.references import Held
    from airflow_ml_provider.pipeline.step import Step


@dataclass(frozen=True)
class Pipeline:
    """Steps that run in the order of their references.

    ``root`` is the S3 prefix of all its data (``None``: the account's). ``folder`` is where
    relative scripts lie, usually ``Path(__file__).parent``. ``keyed_by`` says what names a run in
    S3 paths: its data ``interval``, so that a backfill replaces, or its ``execution``.
    ``on_empty`` says what an extract without rows does: ``fail``, ``skip`` what follows, or
    ``continue``.

    :raises PipelineError: with every problem of the definition.
    """

    name: str
    steps: Sequence[Step]
    root: str | None = None
    folder: Path | str | None = None
    keyed_by: str = "interval"
    on_empty: str = "continue"

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        problems = problems_of(self)
        if problems:
            raise PipelineError(f"pipeline {self.name!r}", problems)

    def all_steps(self) -> Iterator[Step]:
        """Every step, those inside other steps too."""
        return all_steps(self.steps)

    def held(self, step: Step) -> list[Held]:
        """The references, datasets, parameters and items of one step, without those inside it."""
        return self._held[id(step)]

    @cached_property
    def _held(self) -> Mapping[int, list[Held]]:
        return {id(step): held_by(step) for step in self.all_steps()}

    @cached_property
    def needs(self) -> Mapping[str, set[str]]:
        """The names of the steps that must be there before each step."""
        return {step.name: needs_of(step, self) for step in self.all_steps()}

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that the steps refer to, by name."""
        values = (value for values in self._held.values() for value in values)
        found = {value.name: value for value in values if isinstance(value, Parameter)}
        return tuple(found[name] for name in sorted(found))

    def path(self, file: str) -> Path:
        """Where a file of the definition lies."""
        return self._folder / file

    @cached_property
    def _folder(self) -> Path:
        return Path(self.folder or ".")
