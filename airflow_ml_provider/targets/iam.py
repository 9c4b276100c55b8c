"""Who may do what: the least that a pipeline needs on a target, derived from its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.targets.iam_calls import Calls
from airflow_ml_provider.targets.iam_jobs import JobRoles
from airflow_ml_provider.targets.iam_kinds import AIRFLOW, SAGEMAKER, STEP_FUNCTIONS
from airflow_ml_provider.targets.iam_paths import Paths
from airflow_ml_provider.targets.iam_statements import Grant, Where, policy, trust
from airflow_ml_provider.targets.names import deployed_name
from airflow_ml_provider.targets.step_functions import name_prefixes

if TYPE_CHECKING:
    from airflow_ml_provider.plan.nodes import Plan

_PRINCIPALS = {
    # https://docs.aws.amazon.com/mwaa/latest/userguide/mwaa-create-role.html
    AIRFLOW: ("airflow.amazonaws.com", "airflow-env.amazonaws.com"),
    STEP_FUNCTIONS: ("states.amazonaws.com",),
    SAGEMAKER: ("sagemaker.amazonaws.com",),
}


def policies(
    plan: Plan, target: str, *, partition: str = "aws", region: str, account_id: str
) -> dict[str, Any]:
    """Give the policies of all roles, as the target runs the plan (worker jobs, staged code).

    ``{"execution": {"trust": ..., "policy": ...}, "jobs": {<role's ARN>: {"trust": ..., "policy":
    ...}}}``: the execution role is the orchestrator's (the worker's on Airflow), the others are
    those that the plan's jobs name. What only a run knows, such as a parameter, is ``*`` in that
    place of an ARN. What scripts do by themselves besides their inputs and outputs is not known
    here.
    """
    where = Where(partition, region, account_id)
    prefixes = name_prefixes(plan) if target == STEP_FUNCTIONS else {}
    calls = Calls(plan, target, where, Paths.of(plan), prefixes)
    jobs: dict[str, tuple[set[str], list[Grant]]] = {}
    for role, service, grant in JobRoles(calls).grants():
        services, grants = jobs.setdefault(role, (set(), []))
        services.add(service)
        grants.append(grant)
    # Whom a service acts for: https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    condition: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": account_id}}
    own = condition
    if target == STEP_FUNCTIONS:
        machine = state_machine_arn(where, plan)
        own = {**condition, "ArnLike": {"aws:SourceArn": [machine, f"{machine}/*"]}}
    return {
        "execution": {"trust": trust(_PRINCIPALS[target], own), "policy": policy(calls.grants())},
        "jobs": {
            role: {"trust": trust(services, condition), "policy": policy(grants)}
            for role, (services, grants) in sorted(jobs.items())
        },
    }


def state_machine_arn(where: Where, plan: Plan) -> str:
    """Give the ARN of the plan's state machine."""
    return where.arn("states", f"stateMachine:{deployed_name(plan.name, STEP_FUNCTIONS)}")
