"""What moto's interpreter of the Amazon States Language does otherwise than AWS, put right.

``install`` changes moto's classes for the whole process, once. Each change says what was wrong.
"""

from __future__ import annotations

import logging
import time
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any

from moto.stepfunctions import models
from moto.stepfunctions.parser import models as parser_models
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.component.common.retry.max_attempts_decl import (
    MaxAttemptsOutcome,
)
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.common.retry.retrier_outcome import RetrierOutcome
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.credentials import (
    Credentials,
    StateCredentials,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_factory,
    state_task_service_sqs,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import (
    ResourceCondition,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackConsumerTimeout,
    CallbackOutcomeTimedOut,
    HeartbeatTimedOut,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails
from moto.stepfunctions.parser.asl.eval.program_state import (
    ProgramEnded,
    ProgramError,
    ProgramTimedOut,
)
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend.execution import (
    BaseExecutionWorkerCommunication,
    Execution,
)
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

from airflow_ml_provider.local.step_functions_calls import iso
from airflow_ml_provider.local.step_functions_language import (
    everywhere,
    install_language,
    replace,
)
from airflow_ml_provider.local.step_functions_maps import install_maps
from airflow_ml_provider.local.step_functions_roles import RoleArn, bound
from airflow_ml_provider.local.step_functions_tasks import (
    JOB_SERVICES,
    POLL_SECONDS,
    JobTask,
    SdkTask,
)
from airflow_ml_provider.local.store import now

if TYPE_CHECKING:
    from collections.abc import Callable


@lru_cache(maxsize=1)
def install() -> None:
    """Change moto's interpreter, once a process."""
    # It logs every failure of a state, also one that the machine handles.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    # CloudFormation makes state machines in the backend that doesn't execute.
    replace(models, "stepfunctions_backends", parser_models.stepfunctions_parser_backends)
    everywhere(boto_client.boto_client_for, _client)
    everywhere(state_task_service_factory.state_task_service_for, _task_for)
    # What AWS refuses is an error of the service, not of the client.
    replace(state_task_service_sqs, "_ERROR_NAME_CLIENT", "SQS.AmazonSQSException")
    replace(RetrierDecl, "_eval_body", _retrier)
    replace(WaitFunction, "_wait_interval", _wait_state)
    replace(StateTaskServiceCallback, "_eval_execution", _execution_with_token)
    replace(StateTaskServiceCallback, "_eval_wait_for_task_token", _wait_for_token)
    replace(ExecutionState, "_evaluate_with_timeout", _evaluate)
    replace(Credentials, "_eval_body", _credentials)
    replace(Environment, "as_inner_frame_of", classmethod(_frame))
    replace(Execution, "_get_start_aws_execution_details", _role_details)
    replace(Execution, "get_start_execution_details", _execution_details)
    replace(Execution, "status", property(_status))
    replace(ExecutionWorker, "start", _start_worker)
    replace(ExecutionWorker, "_get_evaluation_environment", _environment)
    replace(BaseExecutionWorkerCommunication, "_reflect_execution_status", _reflect)
    install_language()
    install_maps()


_moto_client = boto_client.boto_client_for


@wraps(_moto_client)
def _client(region: str, service: str, state_credentials: Any = None) -> Any:
    # Moto's client has no role, and finds its server by an environment variable.
    role = getattr(state_credentials, "role_arn", None)
    if isinstance(role, RoleArn):
        return role.client(service, region)
    return _moto_client(region, service, state_credentials)


_moto_task_for = state_task_service_factory.state_task_service_for


@wraps(_moto_task_for)
def _task_for(service_name: str) -> Any:
    # Moto has no ``.sync`` of SageMaker and EMR Serverless, its others break, and its aws-sdk
    # leaves fields, times, bodies and names of errors as boto3 has them.
    if service_name == "aws-sdk":
        return SdkTask()
    return JobTask() if service_name in JOB_SERVICES else _moto_task_for(service_name)


def _retrier(self: Any, env: Any) -> None:
    # Moto sleeps between tries even when the execution was stopped.
    self.error_equals.eval(env)
    if not env.stack.pop():
        env.stack.append(RetrierOutcome.Skipped)
        return
    self.max_attempts.eval(env=env)
    if env.stack.pop() == MaxAttemptsOutcome.EXHAUSTED:
        env.stack.append(RetrierOutcome.Failed)
        return
    for part in (self.interval_seconds, self.backoff_rate, self.max_delay_seconds):
        part.eval(env=env)
    self.jitter_strategy.eval(env=env)
    _pause(env, env.stack.pop())
    env.stack.append(RetrierOutcome.Executed)


def _pause(env: Any, seconds: float) -> None:
    scale = env.aws_execution_details.role_arn.cloud.wait_scale
    deadline = time.monotonic() + seconds * scale
    while env.is_running() and (left := deadline - time.monotonic()) > 0:
        env.program_state_event.wait(left)


def _wait_state(_self: Any, env: Any, wait_seconds: float) -> None:
    # Moto counts whole seconds, and so may wait twice.
    _pause(env, wait_seconds)


_moto_execution: Any = StateTaskServiceCallback._eval_execution  # noqa: SLF001


def _execution_with_token(self: Any, env: Any) -> None:
    # Moto makes one token a state, so that a retry finds the first try's token used up.
    if self.resource.condition != ResourceCondition.WaitForTaskToken:
        _moto_execution(self, env)
        return
    self._assert_integration_pattern_is_supported()
    token = env.states.context_object.update_task_token()
    endpoint = env.callback_pool_manager.add(token)
    try:
        _moto_execution(self, env)
    finally:
        # What comes for this token later is told that the task is closed.
        endpoint.report(CallbackConsumerTimeout())


def _wait_for_token(
    _self: Any, env: Any, timeout_seconds: int, callback_endpoint: Any, heartbeat_endpoint: Any
) -> Any:
    # Moto waits on when the execution was stopped.
    del timeout_seconds  # it ends the environment
    beat = heartbeat_endpoint._next_heartbeat_event if heartbeat_endpoint else None  # noqa: SLF001
    seconds = heartbeat_endpoint._heartbeat_seconds if heartbeat_endpoint else 0  # noqa: SLF001
    deadline = time.monotonic() + seconds
    while env.is_running():
        outcome = callback_endpoint.wait(POLL_SECONDS)
        if outcome is not None:
            return outcome
        if beat and beat.is_set():
            beat.clear()
            deadline = time.monotonic() + seconds
        elif beat and time.monotonic() > deadline:
            return HeartbeatTimedOut()
    return CallbackOutcomeTimedOut(callback_id=callback_endpoint.callback_id)


_moto_evaluate: Any = ExecutionState._evaluate_with_timeout  # noqa: SLF001


def _evaluate(self: Any, env: Any) -> None:
    # To moto, a state that was stopped has failed, and with it an execution that was stopped.
    try:
        _moto_evaluate(self, env)
    except Exception:
        if env.is_running():
            raise


_moto_frame: Callable[..., Any] = Environment.as_inner_frame_of.__func__  # type: ignore[attr-defined]


def _frame(cls: Any, env: Any, *args: Any, **kwargs: Any) -> Any:
    # Moto forgets the item of a Map within its states: ``$$.Map.Item.Index``.
    frame = _moto_frame(cls, env, *args, **kwargs)
    context = env.states.context_object.context_object_data
    if "Map" in context:
        frame.states.context_object.context_object_data["Map"] = context["Map"]
    return frame


def _role_details(self: Any) -> AWSExecutionDetails:
    return AWSExecutionDetails(
        account=self.account_id, region=self.region_name, role_arn=bound(self.role_arn)
    )


_moto_details: Any = Execution.get_start_execution_details


def _execution_details(self: Any) -> Any:
    # ``$$.Execution.StartTime`` is a text.
    details = _moto_details(self)
    replace(details, "start_time", iso(self.start_date))
    return details


def _status(self: Any) -> str:
    return str(self.exec_status.value) if self.exec_status else "RUNNING"


_moto_start: Any = ExecutionWorker.start
_moto_environment: Any = ExecutionWorker._get_evaluation_environment  # noqa: SLF001


def _start_worker(self: Any) -> None:
    # Moto's environment appears some time after the start; a stop in between breaks.
    self.env = _moto_environment(self)
    # Moto redrives nothing, and AWS's count is 0 until somebody does.
    self.env.states.context_object.context_object_data["Execution"]["RedriveCount"] = 0
    _moto_start(self)


def _environment(self: Any) -> Any:
    return self.env


def _reflect(self: Any) -> None:
    # Moto tells of the end before it has the output; and a stopped execution has ended already.
    execution, env = self.execution, self.execution.exec_worker.env
    if execution.status != "RUNNING":
        return
    state = env.program_state()
    status = ExecutionStatus.ABORTED
    if isinstance(state, ProgramEnded):
        status, execution.output = ExecutionStatus.SUCCEEDED, env.states.get_input()
    elif isinstance(state, ProgramError):
        status, error = ExecutionStatus.FAILED, state.error or {}
        execution.error, execution.cause = error.get("error"), error.get("cause")
    elif isinstance(state, ProgramTimedOut):
        status = ExecutionStatus.TIMED_OUT
    execution.stop_date = now()
    execution.exec_status = status


def _credentials(self: Any, env: Any) -> None:
    # A state's own role must call the same server.
    self.role_arn.eval(env=env)
    role = env.aws_execution_details.role_arn.other(env.stack.pop())
    env.stack.append(StateCredentials(role_arn=role))
