"""What the jobs of one drawn pipeline do when they are run: how often they fail, what they find."""

from __future__ import annotations

from dataclasses import dataclass, field

ALWAYS = 99


@dataclass(frozen=True)
class Behaviour:
    """One job step: how many tries fail before one succeeds, and the metric that it reports.

    ``metrics`` holds one number an item where the step lies in a map, else one; ``None`` leaves the
    metric out of the report, and ``"text"`` is no number. ``refusals`` are calls that AWS throttles
    before it creates the job.
    """

    failures: tuple[int, ...] = (0,)
    metrics: tuple[object, ...] = (0.5,)
    refusals: int = 0

    def failing(self, index: int | None) -> int:
        return self.failures[(index or 0) % len(self.failures)]

    def metric(self, index: int | None) -> object:
        return self.metrics[(index or 0) % len(self.metrics)]


@dataclass(frozen=True)
class Started:
    """A try of a job: its step, the index of its item, and what its request gave it."""

    step: str
    index: int | None
    arguments: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]


@dataclass
class Trace:
    """What happened in a run."""

    succeeded: bool = True
    started: list[Started] = field(default_factory=list)

    def counted(self) -> dict[Started, int]:
        counts: dict[Started, int] = {}
        for one in self.started:
            counts[one] = counts.get(one, 0) + 1
        return counts
