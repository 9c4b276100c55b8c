"""What a role may do: asked of IAM's simulator, or read from the role's own policies.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from airflow_ml_provider.aws.access_policy import Permission, decide, listed, statements_of
from airflow_ml_provider.jobs.errors import error_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_REFUSED = {"AccessDenied", "AccessDeniedException"}
_ACTIONS_A_CALL = 50


def permissions(policy: Mapping[str, Any]) -> list[Permission]:
    """Take a policy that only allows apart: each action on each resource under each condition.

    What is a wildcard there stays one, so that only what allows all of it allows it.
    """
    found: dict[Permission, None] = {}
    for statement in listed(policy["Statement"]):
        tests = statement.get("Condition", {}).values()
        contexts: list[tuple[tuple[str, str], ...]] = [()]
        for key, values in (pair for test in tests for pair in test.items()):
            contexts = [(*one, (key, str(value))) for one in contexts for value in listed(values)]
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                found |= {Permission(action, resource, context): None for context in contexts}
    return list(found)


def refused(iam: Any, role_arn: str, needed: Iterable[Permission]) -> tuple[list[Permission], bool]:
    """Give what a role is not allowed, and whether IAM's own simulator said so.

    The simulator knows boundaries and an organisation's policies, too. Where the caller may not use
    it, the role's inline and attached policies are read instead.

    :param iam: a boto3 client of ``iam``.
    """
    wanted = list(needed)
    try:
        return [*_simulated(iam, role_arn, wanted)], True
    except ResponseParserError:  # an IAM on this machine, which has no simulator
        pass
    except ClientError as error:
        if error_code(error) not in _REFUSED:
            raise
    statements = [*role_statements(iam, role_name(role_arn))]

    def is_refused(one: Permission) -> bool:
        allowing, denied = decide(statements, one)
        return denied or not allowing

    return [one for one in wanted if is_refused(one)], False


def role_name(role_arn: str) -> str:
    """Give the name of a role, which ends its ARN behind its path."""
    return role_arn.rpartition("/")[2]


def role_statements(iam: Any, role: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the statements of a role's inline and attached policies, each with its name."""
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            found = iam.get_role_policy(RoleName=role, PolicyName=name)
            yield from statements_of(name, found["PolicyDocument"])
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for one in page["AttachedPolicies"]:
            arn = one["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
            yield from statements_of(one["PolicyName"], found["Document"])


def _simulated(iam: Any, role_arn: str, wanted: list[Permission]) -> Iterator[Permission]:
    def shared(one: Permission) -> tuple[str, tuple[tuple[str, str], ...]]:
        return one.resource, one.context

    pages = iam.get_paginator("simulate_principal_policy")
    for (resource, context), group in groupby(sorted(wanted, key=_order), key=shared):
        actions = [one.action for one in group]
        for start in range(0, len(actions), _ACTIONS_A_CALL):
            asked = pages.paginate(
                PolicySourceArn=role_arn,
                ActionNames=actions[start : start + _ACTIONS_A_CALL],
                ResourceArns=[resource],
                ContextEntries=[
                    {
                        "ContextKeyName": key,
                        "ContextKeyValues": [value],
                        "ContextKeyType": "string",
                    }
                    for key, value in context
                ],
            )
            for page in asked:
                for result in page["EvaluationResults"]:
                    if result["EvalDecision"] != "allowed":
                        yield Permission(result["EvalActionName"], resource, context)


def _order(one: Permission) -> tuple[str, tuple[tuple[str, str], ...], str]:
    return one.resource, one.context, one.action
