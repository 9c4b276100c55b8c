"""What a target makes of each feature that a plan uses: kept, lowered or refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEPT, LOWERED, REFUSED = "kept", "lowered", "refused"
_NAMED = 12


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


def refusals(target: str, findings: Iterable[Finding]) -> list[str]:
    """Say what is refused: the step, the feature, the target and the way out of each."""
    return [
        f"{f'step {one.step!r}: ' if one.step else ''}{one.feature}: not on {target}: {one.how}"
        for one in findings
        if one.verdict == REFUSED
    ]


def grouped(findings: Iterable[Finding]) -> dict[Finding, list[str]]:
    """Put equal findings together: each without its step, and the steps that it holds for."""
    groups: dict[Finding, list[str]] = {}
    for one in findings:
        groups.setdefault(replace(one, step=""), []).append(one.step)
    return groups


def named(steps: Sequence[str]) -> str:
    """Name steps that have something in common, the first twelve of them."""
    more = len(steps) - _NAMED
    return ", ".join(steps[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def refuse(pipeline: str, target: str, findings: Iterable[Finding]) -> None:
    """Raise what is refused among the findings, all at once.

    :raises PipelineError: with the :func:`refusals`.
    """
    if problems := refusals(target, findings):
        raise PipelineError(f"pipeline {pipeline!r}", problems)
