"""Lambda functions in state machines."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from state_machines import Client, Run, machine, output, task


@pytest.fixture
def function(client: Client, role_arn: str, name: str) -> Any:
    """Make a Lambda function that divides, and return its name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handle(event, context): return 6 / event['by']")
    if role_arn.endswith("role/ml"):  # the local one: it need not be there for anything else
        with suppress(ClientError):
            client("iam").create_role(RoleName="ml", AssumeRolePolicyDocument="{}")
    client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role_arn,
        Handler="app.handle",
        Code={"ZipFile": buffer.getvalue()},
    )
    yield name
    client("lambda").delete_function(FunctionName=name)


def test_a_function(run: Run, function: str) -> None:
    invoke = {"FunctionName": function, "Payload": {"by.$": "$.by"}}
    state = task(
        "arn:aws:states:::lambda:invoke",
        invoke,
        ResultSelector={"got.$": "$.Payload"},
        Catch=[{"ErrorEquals": ["ZeroDivisionError"], "Next": "caught"}],
    )
    definition = machine(invoke=state, caught={"Type": "Pass"})
    assert output(run(definition, {"by": 2})) == {"got": 3}
    assert output(run(definition, {"by": 0}))["Error"] == "ZeroDivisionError"
