"""Grants, and how they are written down: merged into few statements, always in the same order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_VERSION = "2012-10-17"


@dataclass(frozen=True)
class Grant:
    """An action on a resource; grants that share ``why``, a word, become one statement.

    ``test`` is an operator and a key of IAM, ``value`` what the key must be; several values for the
    same resource are alternatives.
    """

    why: str
    action: str
    resource: str
    test: tuple[str, ...] = ()
    value: str = ""


@dataclass(frozen=True)
class Where:
    """The account and region that ARNs name."""

    partition: str
    region: str
    account_id: str

    def arn(self, service: str, resource: str) -> str:
        """Give the ARN of a resource of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def role(self, role: str) -> str:
        """Give a role's ARN; Glue takes names too."""
        return role if ":" in role else f"arn:{self.partition}:iam::{self.account_id}:role/{role}"

    def s3(self, path: str) -> str:
        """Give the ARN of ``<bucket>`` or ``<bucket>/<key>``."""
        return f"arn:{self.partition}:s3:::{path}"


def allow(
    why: str,
    service: str,
    actions: Iterable[str],
    resources: Iterable[str],
) -> Iterator[Grant]:
    """Give each action of a service on each of the resources."""
    resources = tuple(resources)
    for action in actions:
        for resource in resources:
            yield Grant(why, f"{service}:{action}", resource)


def policy(grants: Iterable[Grant]) -> dict[str, Any]:
    """Give the policy that allows the grants and nothing besides."""
    tested: dict[tuple[str, str, tuple[str, ...]], tuple[set[str], set[str]]] = {}
    for grant in grants:
        at = (grant.why, grant.resource, grant.test)
        actions, values = tested.setdefault(at, (set(), set()))
        actions.add(grant.action)
        values.add(grant.value)
    merged: dict[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], set[str]] = {}
    for (why, resource, test), (actions, values) in tested.items():
        at_all = (why, tuple(sorted(actions)), test, tuple(sorted(values)))
        merged.setdefault(at_all, set()).add(resource)
    seen: Counter[str] = Counter()
    statements = []
    for (why, actions_, test, values_), resources in sorted(merged.items()):
        seen[why] += 1
        statement: dict[str, Any] = {
            "Sid": why if seen[why] == 1 else f"{why}{seen[why]}",
            "Effect": "Allow",
            "Action": list(actions_),
            "Resource": sorted(resources),
        }
        if test:
            operator, key = test
            statement["Condition"] = {operator: {key: _one_or_all(values_)}}
        statements.append(statement)
    return {"Version": _VERSION, "Statement": statements}


def trust(services: Iterable[str], condition: Mapping[str, Any]) -> dict[str, Any]:
    """Give the policy that lets services assume a role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": _one_or_all(sorted(services))},
        "Action": "sts:AssumeRole",
        "Condition": dict(condition),
    }
    return {"Version": _VERSION, "Statement": [statement]}


def _one_or_all(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
