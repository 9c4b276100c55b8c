"""Task states of moto's interpreter that call AWS: optimised integrations of jobs, and aws-sdk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import (
    ResourceCondition,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)

from airflow_ml_provider.local import step_functions_jobs as jobs
from airflow_ml_provider.local.protocol import service_model
from airflow_ml_provider.local.step_functions_calls import (
    boto_service,
    call,
    iso,
    operation_of,
    optimised_error,
    sdk_error,
)

if TYPE_CHECKING:
    from airflow_ml_provider.local.protocol import Json

# Soon at first, since much that runs here ends at once.
FIRST_POLL_SECONDS = 0.05
POLL_SECONDS = 0.2
JOB_SERVICES = ("sagemaker", "glue", "emr-serverless", "states")
_TOKEN: Any = {ResourceCondition.WaitForTaskToken}
_SYNC: Any = {ResourceCondition.Sync, ResourceCondition.Sync2}


class _CallTask(StateTaskServiceCallback):
    """A task that makes one AWS call in the name of the state machine's role."""

    def _failed(self, env: Any, error: ErrorName, cause: str) -> FailureEvent:
        details: Any = {
            "error": error.error_name,
            "cause": cause,
            "resource": self._get_sfn_resource(),
            "resourceType": self._get_sfn_resource_type(),
        }
        event: Any = {"taskFailedEventDetails": details}
        return FailureEvent(env, error, HistoryEventType.TaskFailed, event)

    def _require_waiting(self, env: Any) -> None:
        """Refuse to go on for a state that has ended: by its timeout, a stop, another branch."""
        if not env.is_running():
            raise TimeoutError(f"nobody waits for {self.resource.resource_arn} any more")


class SdkTask(_CallTask):
    """``arn:aws:states:::aws-sdk:<service>:<action>``: any call, answered at once."""

    def __init__(self) -> None:
        super().__init__(supported_integration_patterns=_TOKEN)

    @property
    def _service(self) -> str:
        return boto_service(self.resource.api_name)

    def _get_sfn_resource_type(self) -> str:
        return f"{self.resource.service_name}:{self.resource.api_name}"

    def _validate_service_integration_is_supported(self) -> None:
        _require_operation(self._service, self.resource.api_action, self.resource.resource_arn)

    def _eval_service_task(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: Json,
        state_credentials: Any,
    ) -> None:
        region = resource_runtime_part.region
        client = state_credentials.role_arn.client(self._service, region)
        self._require_waiting(env)
        answer = call(client, self.resource.api_action, normalised_parameters, time=iso)
        env.stack.append(answer)

    def _from_error(self, env: Any, ex: Exception) -> FailureEvent:
        if isinstance(ex, ClientError):
            error, cause = sdk_error(self._service, ex)
            return self._failed(env, ErrorName(error), cause)
        return super()._from_error(env=env, ex=ex)


class JobTask(_CallTask):
    """An optimised integration of SageMaker, Glue, EMR Serverless or Step Functions itself."""

    def __init__(self) -> None:
        super().__init__(supported_integration_patterns=_SYNC)

    @property
    def _service(self) -> str:
        return boto_service(self.resource.service_name)

    def _validate_service_integration_is_supported(self) -> None:
        resource, action = self.resource, self.resource.api_action
        _require_operation(self._service, action, resource.resource_arn)
        waits = (self._service, action) in jobs.JOB_KINDS
        if resource.condition and not (
            waits and resource.condition in self._supported_integration_patterns
        ):
            _refuse(resource.resource_arn)

    def _eval_service_task(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: Json,
        state_credentials: Any,
    ) -> None:
        action = self.resource.api_action
        if action == "startExecution":
            given = normalised_parameters.get("Input", {})
            text = given if isinstance(given, str) else json.dumps(given, separators=(",", ":"))
            normalised_parameters["Input"] = text
        region = resource_runtime_part.region
        client = state_credentials.role_arn.client(self._service, region)
        execution = env.states.context_object.context_object_data["Execution"]["Id"]
        if self.resource.condition:
            kind = jobs.JOB_KINDS[self._service, action]
            events = state_credentials.role_arn.client("events", region)
            jobs.ensure_rule(events, self._service, kind)
        self._require_waiting(env)
        env.stack.append(jobs.start(client, action, normalised_parameters, execution))

    def _eval_integration_pattern(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: Json,
        state_credentials: Any,
    ) -> None:
        kind = jobs.JOB_KINDS[self._service, self.resource.api_action]
        job = {**normalised_parameters, **env.stack.pop()}
        region = resource_runtime_part.region
        client = state_credentials.role_arn.client(self._service, region)
        pause_seconds = FIRST_POLL_SECONDS
        try:
            while (result := jobs.poll(kind, client, job)) is None:
                env.program_state_event.wait(pause_seconds)
                pause_seconds = min(2 * pause_seconds, POLL_SECONDS)
                self._require_waiting(env)
        except TimeoutError:
            jobs.stop(kind, client, job)
            raise
        if self.resource.condition == ResourceCondition.Sync2:
            texts = ("Input", "Output")
            result.update({name: json.loads(result[name]) for name in texts if name in result})
        env.stack.append(result)

    def _from_error(self, env: Any, ex: Exception) -> FailureEvent:
        if isinstance(ex, jobs.JobFailedError):
            error = StatesErrorName(StatesErrorNameType.StatesTaskFailed)
            return self._failed(env, error, json.dumps(ex.answer, separators=(",", ":")))
        if isinstance(ex, ClientError):
            name, cause = optimised_error(self._service, ex)
            return self._failed(env, ErrorName(name), cause)
        return super()._from_error(env=env, ex=ex)


def _require_operation(service: str, action: str, resource: str) -> None:
    try:
        known = operation_of(action) in service_model(service).operation_names
    except Exception:  # noqa: BLE001 - botocore has several words for an unknown service
        known = False
    if not known:
        _refuse(resource)


def _refuse(resource: str) -> None:
    raise ValueError(
        f"The resource provided {resource} is not recognized. The value is not a valid resource "
        "ARN, or the resource is not available in this region."
    )
