"""What a target makes of each feature that a plan uses: kept, lowered or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT, LOWERED, REFUSED = "kept", "lowered", "refused"


@dataclass(frozen=True)
class Finding:
    """One use of a feature on one target.

    ``step`` is empty where the whole pipeline is meant. ``how`` says what becomes of it: nothing
    where it is kept, what runs in its place where it is lowered, why not and the way out where it
    is refused.
    """

    step: str
    feature: str
    verdict: str = KEPT
    how: str = ""


def refuse(pipeline: str, target: str, findings: Iterable[Finding]) -> None:
    """Raise what is refused among the findings, all at once.

    :raises PipelineError: naming the step, the feature, the target and the way out of each.
    """
    problems = [
        f"{f'step {one.step!r}: ' if one.step else ''}{one.feature}: not on {target}: {one.how}"
        for one in findings
        if one.verdict == REFUSED
    ]
    if problems:
        raise PipelineError(f"pipeline {pipeline!r}", problems)
