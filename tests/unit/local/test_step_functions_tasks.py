"""Task states that call AWS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_ml_provider.local.step_functions_tasks import JobTask, SdkTask

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("make", [JobTask, SdkTask])
def test_a_state_whose_time_is_over_starts_nothing(make: Callable[[], Any]) -> None:
    called: list[str] = []

    class Client:
        def __getattr__(self, name: str) -> Any:
            called.append(name)

    task = make()
    task.resource = SimpleNamespace(
        api_action="createTrainingJob",
        api_name="sagemaker",
        service_name="sagemaker",
        condition=None,
        resource_arn="arn:aws:states:::sagemaker:createTrainingJob.sync",
    )
    context = SimpleNamespace(context_object_data={"Execution": {"Id": "arn:execution"}})
    env = SimpleNamespace(
        is_running=lambda: False, states=SimpleNamespace(context_object=context), stack=[]
    )
    role = SimpleNamespace(client=lambda *_: Client())
    with pytest.raises(TimeoutError, match="nobody waits for arn:aws:states:::sagemaker"):
        task._eval_service_task(
            env, SimpleNamespace(region="us-east-1"), {}, SimpleNamespace(role_arn=role)
        )
    assert called == []
    assert env.stack == []
