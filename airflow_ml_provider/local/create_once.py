"""Creations that AWS makes at most once and moto makes every time.

A client token gives the first answer again; the name of a model or a group is taken once.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from airflow_ml_provider.local.protocol import AwsError, Call, Identity, Json, Operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.local.cloud import Cloud

_Key = tuple[str, Identity, str]


def operations(cloud: Cloud) -> Operations:
    """Return the creations that need a client token or a free name."""
    tokens, groups, models = ClientTokens(), Lock(), Lock()
    return {
        ("sagemaker", "CreateModelPackage"): lambda call: tokens.once(
            call, "ClientToken", "ValidationException", call.forward
        ),
        ("sagemaker", "CreateModelPackageGroup"): lambda call: _create_group(cloud, groups, call),
        ("sagemaker", "CreateModel"): lambda call: _create_model(cloud, models, call),
    }


class ClientTokens:
    """The answers given for client tokens, by operation and caller."""

    def __init__(self) -> None:
        self._answers: dict[_Key, tuple[Json, Json]] = {}
        self._lock = Lock()

    def once(self, call: Call, field: str, conflict_code: str, create: Callable[[], Json]) -> Json:
        """Return what `create` answers, or answered when the request came with this token.

        Raises:
            AwsError: `conflict_code`, if the token came with another request before.

        """
        token = call.params.get(field)
        if token is None:
            return create()
        key = (call.operation, call.identity, token)
        with self._lock:  # held while creating: a second request must wait for the answer
            if key not in self._answers:
                self._answers[key] = (call.params, create())
            request, answer = self._answers[key]
        if request != call.params:
            raise AwsError(
                conflict_code,
                f"The client token {token} was already used for another {call.operation} request.",
                409 if conflict_code == "ConflictException" else 400,
            )
        return answer


def _create_group(cloud: Cloud, lock: Lock, call: Call) -> Json:
    client = cloud.clients("sagemaker", call.identity)
    name = call.params["ModelPackageGroupName"]
    with lock:
        try:
            found = client.describe_model_package_group(ModelPackageGroupName=name)
        except client.exceptions.ClientError:
            return call.forward()
    arn = found["ModelPackageGroupArn"]
    raise AwsError("ValidationException", f"Model Package Group already exists: {arn}")


def _create_model(cloud: Cloud, lock: Lock, call: Call) -> Json:
    client = cloud.clients("sagemaker", call.identity)
    with lock:
        try:
            found = client.describe_model(ModelName=call.params["ModelName"])
        except client.exceptions.ClientError:
            return call.forward()
    arn = found["ModelArn"]
    raise AwsError("ValidationException", f'Cannot create already existing model "{arn}".')
