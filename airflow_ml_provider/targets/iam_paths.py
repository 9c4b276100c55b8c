"""Where a plan's data lies on S3, as far as that is known before a run: ``*`` for the rest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import (
    VALUES,
    Code,
    JobField,
    Output,
    Parameter,
    Text,
)
from airflow_ml_provider.targets.data_paths import PATHS, path_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.plan.nodes import Plan

_S3 = re.compile(r"s3://([^\s,;\"']+)")
_ARTIFACT = ("ModelArtifacts", "S3ModelArtifacts")


@dataclass(frozen=True)
class Paths:
    """The S3 paths of one plan; ``mapped`` names the steps inside maps."""

    root: str
    pipeline: str
    mapped: frozenset[str]

    @classmethod
    def of(cls, plan: Plan) -> Paths:
        """Read them from a plan."""
        return cls(plan.root, plan.name, plan.mapped)

    def pattern(self, value: Any) -> str:
        """Give a value as text, with ``*`` for what only a run knows."""
        known = "*"
        if not isinstance(value, VALUES):
            known = str(value)
        elif isinstance(value, Text):
            known = re.sub(r"\*+", "*", "".join(self.pattern(part) for part in value.parts))
        elif isinstance(value, PATHS):
            parts = path_parts(value, self.root, self.pipeline, self.mapped)
            known = "".join(part if isinstance(part, str) else "*" for part in parts)
        elif isinstance(value, Code):
            known = f"{self.root}/code/*"
        elif isinstance(value, JobField) and value.path == _ARTIFACT:
            known = self.pattern(Output(value.step, "model"))
        elif isinstance(value, Parameter) and str(value.default).startswith("s3://"):
            known = "s3://*"
        return known

    def places(self, value: Any) -> Iterator[str]:
        """Give ``<bucket>/<prefix>*`` for each S3 address that a value holds, at any depth."""
        if isinstance(value, dict):
            inner = [*value.values()]
        elif isinstance(value, (list, tuple)):
            inner = [*value]
        else:
            for found in _S3.findall(self.pattern(value)):
                yield self._place(found)
            return
        for item in inner:
            yield from self.places(item)

    def _place(self, found: str) -> str:
        code = f"{self.root}/code/".removeprefix("s3://")
        # The next version of the code lies under another hash.
        return f"{code}*" if found.startswith(code) else f"{found.rstrip('*')}*"
