"""The role that an execution of a state machine calls AWS with."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.protocol import Identity

_STARTER: ContextVar[tuple[Cloud, Identity]] = ContextVar("starter")


class RoleArn(str):
    """The ARN of an execution's role, with the server and the caller that it was started by.

    Moto hands the ARN of the role, and nothing else, to all that makes calls; so the server to
    call travels with it: two servers in one process share moto's interpreter.
    """

    __slots__ = ("cloud", "identity")
    cloud: Cloud
    identity: Identity

    def __deepcopy__(self, memo: dict[int, Any]) -> RoleArn:
        return self

    def other(self, role_arn: str) -> RoleArn:
        """Return another role, bound as this one is."""
        found = RoleArn(role_arn)
        found.cloud, found.identity = self.cloud, self.identity
        return found

    def client(self, service: str, region: str) -> Any:
        """Return a boto3 client of a service in the name of the role."""
        return self.cloud.role_client(service, replace(self.identity, region=region), str(self))


@contextmanager
def started_by(cloud: Cloud, identity: Identity) -> Iterator[None]:
    """Let executions that start in this block, in this thread, call this server."""
    token = _STARTER.set((cloud, identity))
    try:
        yield
    finally:
        _STARTER.reset(token)


def bound(role_arn: str) -> str:
    """Bind a role to the server and the caller that are starting an execution now.

    It stays as it is where moto runs without a server of ours, in a ``mock_aws`` block.
    """
    starter = _STARTER.get(None)
    if starter is None:
        return role_arn
    found = RoleArn(role_arn)
    found.cloud, found.identity = starter
    return found
