"""State machines of a test, made and run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from state_machines import Client, Json


@pytest.fixture
def define(client: Client, role_arn: str, name: str) -> Callable[..., str]:
    """Create a state machine, and return its ARN."""

    def define(definition: Json, suffix: str = "") -> str:
        made = client("stepfunctions").create_state_machine(
            name=f"{name}{suffix}", definition=json.dumps(definition), roleArn=role_arn
        )
        return str(made["stateMachineArn"])

    return define


@pytest.fixture
def ended(client: Client, until: Any) -> Callable[[str], Json]:
    """Wait for the end of an execution, and describe it."""

    def ended(arn: str) -> Json:
        def described() -> Json:
            return dict(client("stepfunctions").describe_execution(executionArn=arn))

        until(lambda: described()["status"] != "RUNNING")
        return described()

    return ended


@pytest.fixture
def run(
    client: Client, define: Callable[..., str], ended: Callable[[str], Json]
) -> Callable[..., Json]:
    """Run a definition to its end."""

    def run(definition: Json, given: Any = None) -> Json:
        arn = define(definition)
        started = client("stepfunctions").start_execution(
            stateMachineArn=arn, input=json.dumps({} if given is None else given)
        )
        return ended(started["executionArn"])

    return run
