"""One AWS call that answers at once, as a task of Airflow and a worker job make it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.validation import coerce, request_problems
from airflow_ml_provider.jobs.errors import error_code, error_message, is_not_found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_ml_provider.jobs.state import Json

log = logging.getLogger(__name__)


class RefusedCallError(Exception):
    """AWS would refuse the call; ``problems`` has all that is wrong with it."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"AWS would refuse the request: {' '.join(problems)}")
        self.problems = problems


def call(
    client: Any,
    service: str,
    action: str,
    request: Json,
    resource: Json | None = None,
    *,
    creates: bool = False,
) -> dict[str, Any]:
    """Create the resource where it is missing, then make the call, and give its answer.

    :param resource: ``describe`` and its ``key``, ``create`` and its ``request``, as a plan's
        ``Resource`` has them.
    :param creates: that what the call creates is there already is success, with an empty answer.
    :raises RefusedCallError: before anything is called.
    """
    calls = {action: request}
    if resource:
        calls[resource["create"]] = resource["request"]
    calls = _checked(client, service, calls)
    if resource and not _is_there(client, resource):
        # Another try or task may be quicker.
        _make(client, resource["create"], calls[resource["create"]], may_exist=True)
    return _make(client, action, calls[action], may_exist=creates)


def _checked(client: Any, service: str, calls: Mapping[str, Json]) -> dict[str, Json]:
    problems: list[str] = []
    checked: dict[str, Json] = {}
    for action, request in calls.items():
        operation = client.meta.method_to_api_mapping.get(action)
        if operation is None:
            problems.append(f"boto3's {service} has no {action!r}")
            continue
        checked[action] = coerce(service, operation, request)
        problems += request_problems(service, operation, checked[action])
    if problems:
        raise RefusedCallError(problems)
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


def _make(client: Any, action: str, request: Json, *, may_exist: bool) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = getattr(client, action)(**request)
    except Exception as error:
        said = f"{error_code(error)} {error_message(error)}".lower().replace(" ", "")
        there = any(word in said for word in ("alreadyexist", "resourceinuse", "conflictexception"))
        if not (may_exist and there):
            raise
        log.info("%s: it exists already.", action)
        return {}
    return answer
