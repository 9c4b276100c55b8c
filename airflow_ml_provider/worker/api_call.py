"""One call of an AWS API in a worker job, as ``AwsCallOperator`` makes it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.validation import coerce, request_problems
from airflow_ml_provider.jobs.errors import error_code, error_message, is_not_found
from airflow_ml_provider.worker.errors import StepError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.jobs.state import Json

log = logging.getLogger(__name__)


def run(work: Json, connect: Callable[[str], Any]) -> str:
    """Create the resource where it is missing, then make the call.

    :raises StepError: AWS would refuse a request; all problems are named.
    """
    service, resource = work["service"], work["resource"]
    client = connect(service)
    calls = {work["action"]: work["request"]}
    if resource:
        calls[resource["create"]] = resource["request"]
    calls = _checked(client, service, calls)
    if resource and not _is_there(client, resource):
        _make(client, resource["create"], calls[resource["create"]], may_exist=True)
    # The answer is not shown: nothing refers to it, and it may hold what is nobody's business.
    _make(client, work["action"], calls[work["action"]], may_exist=work["creates"])
    return f"{service} {work['action']} was called"


def _checked(client: Any, service: str, calls: Json) -> dict[str, dict[str, Any]]:
    problems: list[str] = []
    checked = {}
    for action, request in calls.items():
        operation = client.meta.method_to_api_mapping.get(action)
        if operation is None:
            raise StepError(f"boto3's {service} has no {action!r}")
        checked[action] = coerce(service, operation, request)
        problems += request_problems(service, operation, checked[action])
    if problems:
        raise StepError(f"AWS would refuse the request: {' '.join(problems)}")
    return checked


def _is_there(client: Any, resource: Json) -> bool:
    try:
        getattr(client, resource["describe"])(**resource["key"])
    except Exception as error:
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModelPackageGroup.html
        # answers a ValidationException that says "ModelPackageGroup arn:... does not exist."
        if is_not_found(error) or "does not exist" in error_message(error):
            return False
        raise
    return True


def _make(client: Any, action: str, request: Json, *, may_exist: bool) -> None:
    try:
        getattr(client, action)(**request)
    except Exception as error:
        said = f"{error_code(error)} {error_message(error)}".lower().replace(" ", "")
        there = any(word in said for word in ("alreadyexist", "resourceinuse", "conflictexception"))
        if not (may_exist and there):
            raise
        log.info("%s: it exists already.", action)
