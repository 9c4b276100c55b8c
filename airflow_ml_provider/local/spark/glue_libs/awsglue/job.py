"""The life of a Glue job, of which only the bookmarks have an effect on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .context import GlueContext


class Job:
    """A job run that begins with `init` and ends with `commit`; there are no bookmarks here."""

    _initialized: ClassVar[bool] = False

    def __init__(self, glue_context: GlueContext) -> None:
        """Belong to a Glue context."""
        self._glue_context = glue_context

    def init(self, job_name: str, args: Mapping[str, str | None] | None = None) -> None:
        """Begin; bookmarks that the arguments ask for are only warned about."""
        Job._initialized = True
        if (args or {}).get("job_bookmark_option") == "job-bookmark-enable":
            self._glue_context.get_logger().warn(
                f"Job {job_name} asks for bookmarks: on localhost every run reads all its input"
            )

    def isInitialized(self) -> bool:  # noqa: N802, the name is Glue's
        """Answer whether `init` was called."""
        return Job._initialized

    def commit(self) -> None:
        """End; Glue would store the bookmarks."""
