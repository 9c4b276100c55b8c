"""What is asked about by itself, because AWS has no call for many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_ml_provider.jobs.state import JobState


class OneByOne:
    """A watchable without a list call.

    S3 has none for many objects, SageMaker none for the packages of several groups.
    """

    def states(
        self,
        client: Any,  # noqa: ARG002
        job_ids: Collection[str],  # noqa: ARG002
        since: float,  # noqa: ARG002
    ) -> dict[str, JobState]:
        """Tell of none, so that each is asked for by itself."""
        return {}
