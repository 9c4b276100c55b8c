"""Are the roles there, may MWAA and the jobs' services take them, do they allow what is called?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.access_policy import listed
from airflow_ml_provider.jobs.errors import error_code
from airflow_ml_provider.mwaa.finding import ERROR, GOOD, NOTE, ROLE, Finding
from airflow_ml_provider.mwaa.role_access import permissions, refused, role_name
from airflow_ml_provider.targets.iam_statements import Grant, Where, allow
from airflow_ml_provider.targets.iam_statements import policy as policy_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_ml_provider.aws.access_policy import Permission
    from airflow_ml_provider.mwaa.environment import Environment

MWAA = "MWAA itself"
"""Names what ``own_policy`` is for among the needs of an execution role."""
_SERVICES = ("airflow.amazonaws.com", "airflow-env.amazonaws.com")
_VIA, _AWS = ("StringLike", "kms:ViaService"), "amazonaws.com"
_SHOWN = 3
_GRANT = "airflow-ml compile --target airflow writes a template that grants it"
_MADE = "mwaa/cloudformation/roles.yaml makes a role that allows it"


def own_policy(environment: Environment) -> dict[str, Any]:
    """Give what an environment itself needs of its execution role; of keys, only one of yours.

    https://docs.aws.amazon.com/mwaa/latest/userguide/mwaa-create-role.html
    """
    where = Where(environment.partition, environment.region, environment.account_id)
    bucket = where.s3(environment.bucket)
    groups = where.arn("logs", f"log-group:airflow-{environment.name}-*")
    queues = f"arn:{where.partition}:sqs:{where.region}:*:airflow-celery-*"
    events = ("CreateLogGroup", "CreateLogStream", "GetLogEvents", "PutLogEvents")
    messages = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl")
    grants = [
        Grant("Metrics", "airflow:PublishMetrics", environment.arn),
        Grant("Metrics", "cloudwatch:PutMetricData", "*"),
        *allow("Files", "s3", ("GetObject", "GetObjectVersion"), [f"{bucket}/*"]),
        *allow("Files", "s3", ("GetBucketPublicAccessBlock", "ListBucket"), [bucket]),
        Grant("Files", "s3:GetAccountPublicAccessBlock", "*"),
        *allow("Logs", "logs", events, [groups]),
        Grant("Logs", "logs:DescribeLogGroups", "*"),
        *allow("Queue", "sqs", (*messages, "ReceiveMessage", "SendMessage"), [queues]),
    ]
    if environment.kms_key:
        # AWS's own policy allows the key to no one but these services.
        grants += [
            Grant(
                "Key",
                f"kms:{action}",
                environment.kms_key,
                _VIA,
                f"{service}.{where.region}.{_AWS}",
            )
            for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")
            for service in ("s3", "sqs")
        ]
    return policy_of(grants)


def execution_findings(
    iam: Any, role_arn: str, needs: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    """Say whether an execution role is there and allows what is needed.

    :param iam: a boto3 client of ``iam``.
    :param needs: policies by the name of what needs them.
    """
    mend = "make it with mwaa/cloudformation/roles.yaml, or give the right --role-arn"
    yield from _role_findings(iam, role_arn, _SERVICES, needs, mend)


def job_findings(
    iam: Any, jobs: Mapping[str, Mapping[str, Any]], name: str = "jobs"
) -> Iterator[Finding]:
    """Say the same of the roles of jobs.

    :param jobs: ``{"trust": ..., "policy": ...}`` by role, as ``targets.iam.policies`` gives them.
    :param name: says whose jobs they are.
    """
    mend = "make it with mwaa/cloudformation/roles.yaml, or give the pipeline another role_arn"
    for role, made in jobs.items():
        services = [
            service
            for statement in made["trust"]["Statement"]
            for service in listed(statement["Principal"]["Service"])
        ]
        yield from _role_findings(iam, role, services, {name: made["policy"]}, mend)


def _role_findings(
    iam: Any,
    role: str,
    services: Iterable[str],
    needs: Mapping[str, Mapping[str, Any]],
    mend: str,
) -> Iterator[Finding]:
    try:
        found = iam.get_role(RoleName=role_name(role))["Role"]
    except Exception as error:
        if error_code(error) not in {"NoSuchEntity", "404"}:
            raise
        yield Finding(ROLE, ERROR, f"there is no role {role}", mend)
        return
    trust = listed(found["AssumeRolePolicyDocument"].get("Statement", []))
    trusted = {*_trusted(trust)}
    if lacking := [one for one in services if one not in trusted]:
        said = f"{role} may not be taken by {', '.join(lacking)}"
        yield Finding(ROLE, ERROR, said, "name them in the role's trust policy")
    if any("Condition" in one for one in trust):
        said = f"{role}: whether the conditions of its trust policy hold is not known"
        mend = "see that aws:SourceAccount and aws:SourceArn name this account and environment"
        yield Finding(ROLE, NOTE, said, mend)
    for name, policy in needs.items():
        yield from _access_findings(iam, found["Arn"], name, policy)


def _access_findings(
    iam: Any, role_arn: str, name: str, policy: Mapping[str, Any]
) -> Iterator[Finding]:
    needed = permissions(policy)
    lacking, simulated = refused(iam, role_arn, needed)
    if lacking:
        count = f"{len(lacking)} of {len(needed)} permissions"
        said = f"{role_arn} lacks {count} for {name}:\n" + "\n".join(_told(lacking))
        yield Finding(ROLE, ERROR, said, _MADE if name == MWAA else _GRANT)
    else:
        yield Finding(ROLE, GOOD, f"{role_arn} has all {len(needed)} permissions for {name}")
    if not simulated:
        said = (
            f"{role_arn}: read from its own policies; boundaries and an organisation's policies "
            "are not known"
        )
        yield Finding(ROLE, NOTE, said, "allow yourself iam:SimulatePrincipalPolicy")


def _told(lacking: Iterable[Permission]) -> Iterator[str]:
    """Put together the actions that are lacking on the same resources."""
    resources: dict[str, list[str]] = {}
    for one in lacking:
        said = ", ".join(f"{key} {value}" for key, value in one.context)
        at = f"{one.resource} ({said})" if said else one.resource
        resources.setdefault(one.action, []).append(at)
    actions: dict[tuple[str, ...], list[str]] = {}
    for action, found in resources.items():
        actions.setdefault(tuple(sorted(found)), []).append(action)
    for where, names in actions.items():
        more = len(where) - _SHOWN
        rest = f" and {more} more" if more > 0 else ""
        yield f"- {', '.join(sorted(names))} on {', '.join(where[:_SHOWN])}{rest}"


def _trusted(statements: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for statement in statements:
        principal = statement.get("Principal", {})
        if statement["Effect"] == "Allow" and isinstance(principal, dict):
            yield from listed(principal.get("Service", []))
