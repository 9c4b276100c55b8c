"""What a request to AWS and its answer are, apart from HTTP.

The JSON 1.1 protocol (SageMaker, Glue, CloudWatch Logs) names its operation in ``X-Amz-Target``;
REST-JSON (EMR Serverless) names it by method and path, which botocore's service model spells.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import botocore.session
from botocore.utils import parse_timestamp

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel, Shape

Json = dict[str, Any]


class AwsError(Exception):
    """An error that the caller gets as AWS would answer it.

    Args:
        code: the error's name in the service's API, such as ``ResourceInUse``.
        message: what the caller reads.
        status: the HTTP status.

    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class MotoError(Exception):
    """Moto answered a forwarded request with an error, which the caller gets unchanged."""


@dataclass(frozen=True)
class Identity:
    """Who calls and where: jobs and their resources are kept apart by it."""

    account: str
    region: str
    access_key: str = field(compare=False)

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource, such as ``training-job/name``, of this caller."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True)
class Call:
    """One request: the operation, its parameters by API name, and its caller.

    ``forward`` sends the request on to moto and returns its answer.
    """

    service: str
    operation: str
    params: Json
    identity: Identity
    forward: Callable[[], Json]


Operation = Callable[[Call], Json]
Operations = Mapping[tuple[str, str], Operation]


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's own model of a service."""
    return botocore.session.get_session().get_service_model(service)


@cache
def _target_prefixes() -> dict[str, str]:
    return {
        service_model(service).metadata["targetPrefix"]: service
        for service in ("sagemaker", "glue", "logs", "stepfunctions")
    }


def target_operation(target: str) -> tuple[str, str] | None:
    """Return (service, operation) of an ``X-Amz-Target``, or None for services we don't serve."""
    prefix, _, operation = target.rpartition(".")
    service = _target_prefixes().get(prefix)
    return (service, operation) if service else None


@cache
def _rest_pattern(service: str, operation: str) -> tuple[str, re.Pattern[str]]:
    http = service_model(service).operation_model(operation).http
    uri = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", http["requestUri"])
    return http["method"], re.compile(uri)


def rest_operation(
    operations: Operations, service: str, method: str, path: str
) -> tuple[str, Json] | None:
    """Return (operation, path parameters) of a REST-JSON request, or None if it isn't ours."""
    for owner, operation in operations:
        if owner != service:
            continue
        expected, pattern = _rest_pattern(service, operation)
        if method == expected and (match := pattern.fullmatch(path)):
            return operation, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def query_params(model: OperationModel, query: str) -> Json:
    """Read a REST-JSON query string into parameters by API name."""
    given = parse_qs(query, keep_blank_values=True)
    params: Json = {}
    for name, shape in model.input_shape.members.items():
        values = given.get(shape.serialization.get("name", name))
        if shape.serialization.get("location") == "querystring" and values:
            params[name] = values if shape.type_name == "list" else _query_value(shape, values[0])
    return params


def _query_value(shape: Shape, text: str) -> Any:
    if shape.type_name in ("integer", "long"):
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    if shape.type_name == "boolean":
        return text == "true"
    return text


def read_times(shape: Shape, value: Any) -> Any:
    """Return `value` with its timestamps (epoch seconds or ISO text) as aware datetimes."""
    if shape.type_name == "timestamp" and isinstance(value, (int, float, str)):
        try:
            return parse_timestamp(value)
        except ValueError:
            return value
    if shape.type_name == "structure" and isinstance(value, dict):
        members = shape.members
        return {k: read_times(members[k], v) if k in members else v for k, v in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [read_times(shape.member, item) for item in value]
    return value


def to_json(answer: Json) -> bytes:
    """Encode an answer: times as epoch seconds, absent values left out."""
    return json.dumps({k: v for k, v in answer.items() if v is not None}, default=_encode).encode()


def _encode(value: object) -> float:
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    raise TypeError(f"{type(value).__name__} has no form in AWS JSON")
