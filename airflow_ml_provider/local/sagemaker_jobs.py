"""What SageMaker's job operations have in common: names, lists, tags, stopping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local.protocol import AwsError, Call, Identity, Json, Operations
from airflow_ml_provider.local.rules import invalid
from airflow_ml_provider.local.store import Job, now, page

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_ml_provider.local.cloud import Cloud

DEFAULT_PAGE = 10
FAILURE_REASON_CHARS = 1024
ENDED = ("Completed", "Failed", "Stopped")
Document = Json


@dataclass(frozen=True)
class Noun:
    """One kind of SageMaker job: how the API spells it, and what is its own.

    Args:
        title: as in operations and fields, such as ``TrainingJob``.
        resource: as in ARNs, such as ``training-job``.
        words: as in messages, such as ``training job``.
        summary: the fields of its list call.
        problems: what the service refuses beyond its model.
        create: the document of a new job.
        stopping: what a stop changes in the document.
        run: runs it, in a thread of its own.
        fail: ends it with a reason.
        waits: whether it only waits for other jobs, and so takes no turn of theirs.

    """

    title: str
    resource: str
    words: str
    summary: tuple[str, ...]
    problems: Callable[[Json], list[str]]
    create: Callable[[Job], Document]
    stopping: Callable[[Document], Document]
    run: Callable[[Cloud, Job], None]
    fail: Callable[[Job, str], None]
    waits: bool = False

    @property
    def name(self) -> str:
        """The field that holds the job's name."""
        return f"{self.title}Name"

    @property
    def status(self) -> str:
        """The field that holds the job's status."""
        return f"{self.title}Status"

    @property
    def arn(self) -> str:
        """The field that holds the job's ARN."""
        return f"{self.title}Arn"


def operations(cloud: Cloud, noun: Noun) -> Operations:
    """Return Create, Describe, List and Stop of one kind of job."""
    return {
        ("sagemaker", f"Create{noun.title}"): lambda call: _create(cloud, noun, call),
        ("sagemaker", f"Describe{noun.title}"): lambda call: find(cloud, noun, call).document,
        ("sagemaker", f"List{noun.title}s"): lambda call: _list(cloud, noun, call),
        ("sagemaker", f"Stop{noun.title}"): lambda call: _stop(cloud, noun, call),
    }


def _create(cloud: Cloud, noun: Noun, call: Call) -> Json:
    return {noun.arn: create(cloud, noun, call.identity, call.params).document[noun.arn]}


def create(cloud: Cloud, noun: Noun, identity: Identity, request: Json) -> Job:
    """Create a job and give it its turn.

    Raises:
        AwsError: if the service refuses the request, or the name is taken.

    """
    problems = noun.problems(request)
    if problems:
        raise invalid("sagemaker", problems)
    name = request[noun.name]
    job = Job(noun.resource, name, identity, request)
    created = now()
    arn = identity.arn("sagemaker", f"{noun.resource}/{name}")
    common = {noun.arn: arn, noun.status: "InProgress", "CreationTime": created}
    described = {k: v for k, v in request.items() if k != "Tags"}
    job.change(lambda _: {**described, **common, "LastModifiedTime": created, **noun.create(job)})
    if cloud.store.add(job):
        raise AwsError(
            "ResourceInUse",
            f"{noun.words.capitalize()} names must be unique within an AWS account and region, "
            f"and a {noun.words} with this name already exists ({arn})",
        )
    cloud.turns.add(job, lambda job: noun.run(cloud, job), noun.fail, waits=noun.waits)
    return job


def find(cloud: Cloud, noun: Noun, call: Call) -> Job:
    """Return the job that a call names.

    Raises:
        AwsError: if there is none.

    """
    job = cloud.store.find(noun.resource, call.identity, call.params[noun.name])
    if job is None:
        raise AwsError("ValidationException", "Requested resource not found.")
    return job


def _stop(cloud: Cloud, noun: Noun, call: Call) -> Json:
    stop(cloud, noun, find(cloud, noun, call))
    return {}


def stop(cloud: Cloud, noun: Noun, job: Job) -> None:
    """Ask a job to stop.

    Raises:
        AwsError: if it has ended.

    """

    def stopping(document: Document) -> Document:
        status = document[noun.status]
        if status in ENDED:
            raise AwsError(
                "ValidationException",
                f"The request was rejected because the {noun.words} is in status {status}.",
            )
        return {} if status == "Stopping" else {noun.status: "Stopping", **noun.stopping(document)}

    job.change(stopping)
    cloud.turns.stop(job)


def _list(cloud: Cloud, noun: Noun, call: Call) -> Json:
    params = call.params
    sort_field = {"Name": noun.name, "Status": noun.status}.get(
        params.get("SortBy", ""), "CreationTime"
    )
    jobs = [
        job for job in cloud.store.all(noun.resource, call.identity) if _wanted(noun, params, job)
    ]
    # The reference calls Ascending the default; the service answers newest first.
    found = page(
        jobs,
        lambda job: job.document[sort_field],
        descending=params.get("SortOrder", "Descending") == "Descending",
        size=params.get("MaxResults", DEFAULT_PAGE),
        token=params.get("NextToken"),
    )
    summaries = [
        {field: job.document[field] for field in noun.summary if field in job.document}
        for job in found.jobs
    ]
    return {f"{noun.title}Summaries": summaries, "NextToken": found.next_token}


def _wanted(noun: Noun, params: Json, job: Job) -> bool:
    document = job.document
    return (
        params.get("NameContains", "").lower() in job.name.lower()
        and params.get("StatusEquals", document[noun.status]) == document[noun.status]
        and in_time(document["CreationTime"], params, "CreationTime")
        and in_time(document["LastModifiedTime"], params, "LastModifiedTime")
    )


def in_time(at: datetime, params: Json, field: str) -> bool:
    """Tell whether a time lies between the request's ``<field>After`` and ``<field>Before``."""
    after: Any = params.get(f"{field}After")
    before: Any = params.get(f"{field}Before")
    return (after is None or at >= after) and (before is None or at <= before)
