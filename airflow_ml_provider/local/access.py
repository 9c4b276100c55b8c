"""Who called what in the name of a role, and whether the role's policies allow it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from airflow_ml_provider.aws.access_policy import (
    Permission,
    Statement,
    decide,
    is_about,
    listed,
    statements_of,
)
from airflow_ml_provider.local.access_requests import Place, permissions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from botocore.model import OperationModel

_DENIED = {"s3": ("AccessDenied", 403), "sns": ("AuthorizationError", 403)}
_DENIED_ELSEWHERE = ("AccessDeniedException", 400)


@dataclass(frozen=True)
class RoleCall:
    """A permission that a call in the name of a role needed, and whether it had it.

    ``allowed_by`` names the statements that allow it, ``<policy>/<Sid or number>``; it is empty
    where none does.
    """

    role_arn: str
    permission: Permission
    allowed_by: tuple[str, ...]

    @property
    def action(self) -> str:
        """The action, such as ``sagemaker:CreateTrainingJob``."""
        return self.permission.action

    @property
    def resource(self) -> str:
        """The ARN that it is about, or ``*``."""
        return self.permission.resource


class Access:
    """Records all calls that are made in the name of roles.

    Args:
        enforce: whether what a role's policies don't allow is refused.

    """

    def __init__(self, *, enforce: bool) -> None:
        self._enforce = enforce
        self._calls: dict[RoleCall, None] = {}
        self._lock = Lock()

    @property
    def calls(self) -> list[RoleCall]:
        """What was needed until now, in the order of the first time; each once."""
        with self._lock:
            return list(self._calls)

    def follow(self, client: Any, role_arn: str, account: str) -> None:
        """Let a boto3 client act in the name of a role."""
        place = Place(account, client.meta.region_name)
        # Before botocore looks at the parameters, as the service is asked before it does.
        client.meta.events.register(
            "before-parameter-build", partial(self._check, client, role_arn, place)
        )

    def _check(
        self,
        client: Any,
        role_arn: str,
        place: Place,
        params: Mapping[str, Any],
        model: OperationModel,
        **_: object,
    ) -> None:
        service = client.meta.service_model.service_name
        statements = list(role_statements(role_arn, place.account))
        for needed in permissions(service, model.name, params, place):
            allowed_by, denied = decide(statements, needed)
            with self._lock:
                self._calls[RoleCall(role_arn, needed, () if denied else allowed_by)] = None
            if self._enforce and (denied or not allowed_by):
                raise _refusal(client, service, model.name, role_arn, needed, explicit=denied)


def role_statements(role_arn: str, account: str) -> Iterator[tuple[str, Statement]]:
    """Give the statements of a role's inline and attached policies, each with its name.

    A role that does not exist has none.
    """
    try:
        role = iam_backends[account]["aws"].get_role_by_arn(role_arn)
    except NotFoundException:
        return
    documents = dict(role.policies)
    for attached in role.managed_policies.values():
        versions = (one for one in attached.versions if one.is_default)
        documents[attached.name] = next(versions).document
    for name, document in documents.items():
        yield from statements_of(name, _parsed(document))


@lru_cache(maxsize=256)
def _parsed(document: str) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(document)
    return found


def unused_actions(document: Mapping[str, Any], calls: Iterable[RoleCall]) -> list[str]:
    """Name the actions that a policy allows and none of the calls needed: ``<Sid>: <action>``."""
    needed = [call.permission for call in calls]
    return [
        f"{name.partition('/')[2]}: {action}"
        for name, statement in statements_of("", document)
        for action in listed(statement["Action"])
        if not any(is_about({**statement, "Action": action}, one) for one in needed)
    ]


def _refusal(
    client: Any,
    service: str,
    operation: str,
    role_arn: str,
    needed: Permission,
    *,
    explicit: bool,
) -> Exception:
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    reason = (
        "with an explicit deny in an identity-based policy"
        if explicit
        else f"because no identity-based policy allows the {needed.action} action"
    )
    message = (
        f"User: arn:aws:sts::{account}:assumed-role/{name}/local is not authorized to perform: "
        f"{needed.action} on resource: {needed.resource} {reason}"
    )
    code, status = _DENIED.get(service, _DENIED_ELSEWHERE)
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0},
    }
    refusal: Exception = client.exceptions.from_code(code)(response, operation)
    return refusal
