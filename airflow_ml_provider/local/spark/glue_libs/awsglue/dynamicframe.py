"""A DynamicFrame that is a DataFrame: one schema, no choice types."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from . import MissingError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from .context import GlueContext


class DynamicFrame:
    """A named DataFrame of a Glue context."""

    def __init__(self, frame: DataFrame, glue_ctx: GlueContext, name: str = "") -> None:
        """Wrap a DataFrame (on Glue: a Java object)."""
        self._frame = frame
        self.glue_ctx = glue_ctx
        self.name = name

    @classmethod
    def fromDF(  # noqa: N802, the name is Glue's
        cls, dataframe: DataFrame, glue_ctx: GlueContext, name: str
    ) -> DynamicFrame:
        """Make one of a DataFrame."""
        return cls(dataframe, glue_ctx, name)

    def toDF(self) -> DataFrame:  # noqa: N802, the name is Glue's
        """Answer the DataFrame."""
        return self._frame

    def count(self) -> int:
        """Answer the number of rows."""
        return self._frame.count()

    def printSchema(self) -> None:  # noqa: N802, the name is Glue's
        """Print the schema as a tree."""
        self._frame.printSchema()

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse the rest of Glue's methods by name."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingError(f"awsglue.dynamicframe.DynamicFrame.{name}")
