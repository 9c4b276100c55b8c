"""An execution of a Step Functions state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.operators.remote_job import RemoteJobOperator

if TYPE_CHECKING:
    from collections.abc import Mapping


class StateMachineOperator(RemoteJobOperator):
    """Start one execution of a standard state machine and wait for it.

    The XCom has its ``executionArn`` and its ``output``, as JSON.

    :param state_machine_arn: the machine, or a version or an alias of it. (templated)
    :param input: JSON that the execution gets. (templated)
    :param timeout_seconds: how long it may take; a machine has its own limit besides.
    """

    def __init__(
        self,
        *,
        state_machine_arn: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - Step Functions' own word
        **kwargs: Any,
    ) -> None:
        request = {"stateMachineArn": state_machine_arn, "input": dict(input or {})}
        super().__init__(kind="step_functions_execution", request=request, **kwargs)
