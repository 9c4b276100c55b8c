"""Map states of moto's interpreter, put right."""

from __future__ import annotations

import uuid
from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.inline_iteration_component import (  # noqa: E501
    InlineIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.distributed_item_processor_worker import (  # noqa: E501
    DistributedItemProcessorWorker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.iteration_worker import (  # noqa: E501
    IterationWorker,
)

# AWS's limit for inline maps; more threads than that help nobody here.
MAX_WORKERS = 40


def install_maps() -> None:
    """Change moto's Map states."""
    IterationWorker._eval_pool = _eval_pool  # type: ignore[method-assign] # noqa: SLF001
    DistributedItemProcessorWorker._eval_pool = _eval_pool  # type: ignore[method-assign] # noqa: SLF001
    DistributedItemProcessorWorker._eval_job = _eval_child  # type: ignore[method-assign] # noqa: SLF001
    DistributedItemProcessorWorker._eval_input = _eval_input  # type: ignore[method-assign] # noqa: SLF001
    InlineIterationComponent._launch_worker = _launch  # type: ignore[method-assign] # noqa: SLF001


_moto_launch = InlineIterationComponent._launch_worker  # noqa: SLF001
_moto_input = DistributedItemProcessorWorker._eval_input  # noqa: SLF001
_moto_child = DistributedItemProcessorWorker._eval_job  # noqa: SLF001


def _launch(self: Any, env: Any, eval_input: Any, job_pool: Any) -> Any:
    # Without MaxConcurrency moto starts a worker for each item, with it also more than items.
    job_pool.workers = getattr(job_pool, "workers", 0) + 1
    if job_pool.workers > min(MAX_WORKERS, len(eval_input.input_items or range(MAX_WORKERS))):
        return None
    return _moto_launch(self, env, eval_input, job_pool)


def _eval_pool(self: Any, job: Any, worker_frame: Any) -> None:
    # Moto recurses from item to item, and so fails at some hundred items.
    distributed = isinstance(self, DistributedItemProcessorWorker)

    def close(owner: Any, frame: Any) -> None:
        (owner.delete_frame if distributed else owner.close_frame)(frame)

    while job is not None:
        job_frame = worker_frame.open_inner_frame()
        self._eval_job(env=job_frame, job=job)
        close(worker_frame, job_frame)
        failed = isinstance(job.job_output, Exception) or self.stopped()
        following = None if failed else self._job_pool.next_job()
        if following is None:
            if not failed and not distributed:
                events = job_frame.event_history_context
                worker_frame.event_history_context.source_event_id = events.last_published_event_id
            close(self._env, worker_frame)
        self._job_pool.close_job(job)
        job = following
        if job is None:
            return
    close(self._env, worker_frame)


def _eval_input(self: Any, env_frame: Any) -> None:
    # On AWS each item is an execution of its own, once its input is selected.
    _moto_input(self, env_frame)
    context = env_frame.states.context_object.context_object_data
    context.pop("Map", None)
    arn, name = self._map_run_record.map_run_arn, str(uuid.uuid4())
    arn = arn.rpartition(":")[0].replace(":mapRun:", ":execution:")
    given = env_frame.states.get_input()
    child = {"Id": f"{arn}:{name}", "Name": name, "Input": given}
    context["Execution"] = {**context["Execution"], **child}


def _eval_child(self: Any, env: Any, job: Any) -> None:
    # One failure fails the map, unless more are tolerated. Moto lets all of them fail.
    _moto_child(self, env, job)
    record = self._map_run_record
    failed, share = record.item_counter.failed.get(), record.tolerated_failure_percentage
    if not failed or failed <= record.tolerated_failure_count:
        return
    if share and 100 * failed <= share * self._job_pool._jobs_number:  # noqa: SLF001
        return
    error = StatesErrorName(StatesErrorNameType.StatesExceedToleratedFailureThreshold)
    cause = "The specified tolerated failure threshold was exceeded"
    event: Any = {"executionFailedEventDetails": {"error": error.error_name, "cause": cause}}
    failure = FailureEvent(env, error, HistoryEventType.MapRunFailed, event)
    job.job_output = FailureEventException(failure)
