"""What a service has to say about itself so that its jobs can be waited for and started once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_ml_provider.jobs.state import JobState, Json, LogStreams


class Watchable(Protocol):
    """Something on AWS whose state is polled until it is final: a job, a dataset, an approval."""

    name: str
    """The key in the registry; travels in a trigger's serialised form."""
    service: str
    """The name of its boto3 client."""
    actions: frozenset[str]
    """The IAM actions that its calls need, such as ``sagemaker:DescribeTrainingJob``."""

    def state(self, client: Any, job_id: str) -> JobState:
        """Ask about one; a failure carries AWS's own reason."""
        ...

    def states(self, client: Any, job_ids: Collection[str], since: float) -> Mapping[str, JobState]:
        """Ask about many, all of which ran at ``since`` (epoch seconds), in as few calls as can be.

        One that AWS left out is missing here, and asked for by itself. What a list call does not
        say, such as reasons and results, is missing in a state.
        """
        ...


class JobKind(Watchable, Protocol):
    """How one AWS service spells the life of a job. Takes a boto3 client, imports none.

    A request is the plain dict of the service's own API. ``job_id`` is what a kind needs to find a
    job again, as one string (``name``, ``job/run``, ``application/run``).
    """

    operation: str
    """The API operation that starts a job, such as ``CreateTrainingJob``."""
    embedded: ClassVar[Mapping[str, str]]
    """Keys of a request that hold another operation's request, such as Glue's job definition."""

    def find(self, client: Any, request: Json, token: str) -> JobState | None:
        """Look for the job that was started with ``token``; ``None`` if there is none."""
        ...

    def submit(self, client: Any, request: Json, token: str) -> str:
        """Start a job and answer its id; the same token never starts a second one."""
        ...

    def stop(self, client: Any, job_id: str) -> None:
        """Ask AWS to stop it; stopping an ended or unknown job is no error."""
        ...

    def differences(self, client: Any, request: Json, job_id: str) -> tuple[str, ...]:
        """Name the fields in which the job found differs from the request, for the log."""
        ...

    def requests(self, request: Json) -> tuple[tuple[str, Json], ...]:
        """Give (operation, parameters) of each call that starts it, to be checked."""
        ...

    def logs(self, job_id: str, request: Json) -> tuple[LogStreams, ...]:
        """Where the job's log lies; empty if the service keeps none in CloudWatch."""
        ...

    def console_path(self, job_id: str) -> str:
        """Give the job's page in the AWS console, after ``https://<region>.console.<domain>/``."""
        ...
