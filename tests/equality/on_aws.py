"""Runs drawn pipelines as state machines and SageMaker pipelines of the local AWS."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.deployment import deploy
from airflow_ml_provider.aws.execution import start, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_ml_provider.aws.execution import Execution
    from airflow_ml_provider.targets.compile import Compiled

ROLE = "arn:aws:iam::123456789012:role/orchestrator"


def run(
    compiled: Compiled, client: Callable[[str], Any], day: datetime, parameters: dict[str, Any]
) -> Execution:
    """Run it once for the day that begins at `day`."""
    arn = deploy(compiled, ROLE, client)
    interval = day, day + timedelta(days=1)
    token = f"{compiled.plan.name:-<40}1"
    execution = start(compiled, arn, interval, client, parameters=parameters, token=token)
    return wait(execution, client, poll_seconds=0.02)
