"""The policies of a plan as a whole."""

from __future__ import annotations

import pytest
from iam_plans import (
    ACCOUNT,
    COMPLETE,
    DEFINITION,
    ROLE,
    TARGETS,
    allowed,
    arn,
    glue,
    made,
    model,
    plan,
    processing,
    register,
    training,
    transform,
)

from airflow_ml_provider.targets.iam import policies


@pytest.mark.parametrize("target", TARGETS)
def test_who_may_assume_the_roles(target: str) -> None:
    roles = made(target, training())
    (statement,) = roles["execution"]["trust"]["Statement"]
    service = {
        "airflow": ["airflow-env.amazonaws.com", "airflow.amazonaws.com"],
        "step-functions": "states.amazonaws.com",
        "sagemaker": "sagemaker.amazonaws.com",
    }[target]
    assert statement["Principal"] == {"Service": service}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    machine = arn("states", "stateMachine:flights")
    if target == "step-functions":
        source = statement["Condition"]["ArnLike"]
        assert source == {"aws:SourceArn": [machine, f"{machine}/*"]}
    (job,) = roles["jobs"][ROLE]["trust"]["Statement"]
    assert job["Principal"] == {"Service": "sagemaker.amazonaws.com"}


@pytest.mark.parametrize("target", TARGETS)
def test_the_order_of_the_steps_changes_nothing(target: str) -> None:
    nodes = [
        training(),
        processing(),
        glue(Definition=DEFINITION),
        register(),
        model(),
        transform(),
    ]
    assert made(target, *nodes) == made(target, *reversed(nodes))


@pytest.mark.parametrize("target", TARGETS)
def test_every_statement_has_an_id_of_its_own(target: str) -> None:
    roles = made(target, *COMPLETE.values(), register(), model())
    documents = [roles["execution"], *roles["jobs"].values()]
    for one in documents:
        ids = [statement["Sid"] for statement in one["policy"]["Statement"]]
        assert len(set(ids)) == len(ids)
        assert all(sid.isalnum() for sid in ids)
        assert ids == sorted(ids)


def test_another_partition() -> None:
    roles = policies(
        plan(training()), "airflow", partition="aws-cn", region="cn-north-1", account_id=ACCOUNT
    )
    named = {resource for _, resource in allowed(roles["execution"]["policy"])} - {"*", ROLE}
    assert all(resource.startswith("arn:aws-cn:") for resource in named)
