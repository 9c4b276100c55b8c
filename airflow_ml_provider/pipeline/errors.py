"""The one error of a definition: it lists every problem, so that one look is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 50


class PipelineError(ValueError):
    """A definition that can't be run, with all its problems.

    ``problems`` holds one sentence each: the step, the field, what was given and the mend.
    """

    def __init__(self, name: str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = [f"  - {problem}" for problem in self.problems[:_SHOWN]]
        if count > _SHOWN:
            lines.append(f"  ... and {count - _SHOWN} more")
        noun = "problem" if count == 1 else "problems"
        super().__init__(f"{name}: {count} {noun}\n" + "\n".join(lines))
