"""The part of Glue's `awsglue` that runs on plain Spark; a Glue job on localhost imports it.

Amazon's own package is a thin face of Scala libraries that only Glue and its container image
have. What is not here raises `MissingError`, which names it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


class MissingError(NotImplementedError):
    """A script asked for a part of Glue that localhost does not have."""

    def __init__(self, name: str) -> None:
        """Name the part, such as `awsglue.transforms.ApplyMapping`."""
        super().__init__(
            f"{name} is not part of the local awsglue, which has getResolvedOptions, Job, "
            "GlueContext and DynamicFrame for csv, json and parquet on S3. Use Spark's DataFrame "
            "(DynamicFrame.toDF()) instead, or run this job on AWS Glue."
        )


class _MissingModules:
    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        del path, target
        if name.startswith(f"{__name__}."):
            raise MissingError(name)


# Last, so that it hears only of modules that nothing else finds.
sys.meta_path.append(_MissingModules)
