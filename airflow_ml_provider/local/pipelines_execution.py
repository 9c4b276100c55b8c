"""One execution of a pipeline: starts its steps in order, each in a thread, and how they end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local.pipelines_jobs import cache_key
from airflow_ml_provider.local.pipelines_order import (
    FAILED,
    STOPPED,
    SUCCEEDED,
    again,
    ready,
    unhandled,
)
from airflow_ml_provider.local.pipelines_run import (
    FAILURE_REASON_CHARS,
    Closed,
    StepFailure,
    StepRecord,
    StepRun,
    StepStopped,
)
from airflow_ml_provider.local.pipelines_steps import RUNNERS, not_run
from airflow_ml_provider.local.pipelines_values import (
    Sources,
    ValueUnknownError,
    at_path,
    read_json,
    resolve,
)
from airflow_ml_provider.local.s3 import DataError, join_uri, split_uri
from airflow_ml_provider.local.store import Job, now

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import TypeAlias

    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.pipelines_definition import Definition, Step
    from airflow_ml_provider.local.protocol import Json

KIND = "pipeline-execution"
# For failures that a step was started for; the SageMaker SDK knows it, botocore not yet.
COMPLETED_WITH_FAILURES = "CompletedWithFailures"
ENDED = (SUCCEEDED, FAILED, STOPPED, COMPLETED_WITH_FAILURES)
STEPS_FAILED = "Step failure: One or multiple steps failed."
log = logging.getLogger(__name__)

FindCached: TypeAlias = "Callable[[Execution, Step, str], tuple[str, StepRecord] | None]"


@dataclass(frozen=True)
class Started:
    """What an execution is started with.

    Args:
        definition: the definition, and ``text``, as it was given.
        parameters: the value of every parameter.
        pipeline_arn: the pipeline that it is an execution of.
        pipeline_name: that pipeline's name.
        role_arn: in whose name it calls AWS.

    """

    definition: Definition
    text: str
    parameters: Json
    pipeline_arn: str
    pipeline_name: str
    role_arn: str


class Execution:
    """An execution. Its ``job`` holds what DescribePipelineExecution answers.

    Args:
        cloud: the local AWS.
        job: the execution in the store.
        started: what it runs.
        find_cached: finds (execution ARN, step) that a step may take over, given its cache key.

    """

    def __init__(self, cloud: Cloud, job: Job, started: Started, find_cached: FindCached) -> None:
        self.cloud = cloud
        self.job = job
        self.started = started
        self.records: dict[str, StepRecord] = {}
        self._find_cached = find_cached
        self._steps = {step.name: step for step in started.definition.steps}
        self._stop = Event()
        self._fail_message: str | None = None

    @property
    def arn(self) -> str:
        """The execution's ARN."""
        return str(self.job.document["PipelineExecutionArn"])

    @property
    def status(self) -> str:
        """The execution's status now."""
        return str(self.job.document["PipelineExecutionStatus"])

    @property
    def ended_by_fail_step(self) -> bool:
        """Whether a fail step was reached, after which AWS retries nothing."""
        return self._fail_message is not None

    def start(self) -> None:
        """Start the steps, or after the end those that a retry starts again."""
        places = self.started.definition.places
        for name in again(places, self._statuses()):
            del self.records[name]
        self._stop = Event()
        self._fail_message = None
        if self.status == "Stopping":  # it was stopped while it was being retried
            self._stop.set()
        Thread(target=self._run, name=f"pipeline-{self.job.name}", daemon=True).start()

    def stop(self) -> None:
        """Start no more steps, and stop those that run."""
        self._stop.set()

    def _statuses(self) -> dict[str, str]:
        return {name: record.status for name, record in self.records.items()}

    def _outcomes(self) -> dict[str, str]:
        return {
            name: record.document["Metadata"]["Condition"]["Outcome"]
            for name, record in list(self.records.items())
            if self._steps[name].type == "Condition" and record.status == SUCCEEDED
        }

    def _run(self) -> None:
        places = self.started.definition.places
        parallelism = self.job.document.get("ParallelismConfiguration", {})
        most = parallelism.get("MaxParallelExecutionSteps", len(places))
        ended: SimpleQueue[str] = SimpleQueue()
        running = 0
        while not self.cloud.turns.closing:
            if not self._stop.is_set() and self._fail_message is None:
                names = list(ready(places, self._statuses(), self._outcomes()))
                for name in names[: most - running]:
                    step = self._steps[name]
                    self.records[name] = StepRecord(name, self.job.identity, step.content)
                    Thread(target=self._run_step, args=(step, ended), daemon=True).start()
                    running += 1
            if not running:
                break
            ended.get()
            running -= 1
        if not self.cloud.turns.closing:
            self._end()

    def _end(self) -> None:
        statuses = self._statuses()
        reason = self._fail_message
        if reason is None and unhandled(self.started.definition.places, statuses):
            reason = STEPS_FAILED
        ended = COMPLETED_WITH_FAILURES if FAILED in statuses.values() else SUCCEEDED

        def change(document: Json) -> Json:
            at = {"LastModifiedTime": now()}
            if document["PipelineExecutionStatus"] == "Stopping":
                return {**at, "PipelineExecutionStatus": STOPPED}
            if reason is not None:
                return {**at, "PipelineExecutionStatus": FAILED, "FailureReason": reason}
            return {**at, "PipelineExecutionStatus": ended}

        self.job.change(change)

    def _run_step(self, step: Step, ended: SimpleQueue[str]) -> None:
        record = self.records[step.name]
        run = StepRun(
            cloud=self.cloud,
            step=step,
            record=record,
            role_arn=self.started.role_arn,
            execution=self.job,
            stop=self._stop,
        )
        status, reason = SUCCEEDED, None
        try:
            run.repeated(lambda: self._attempt(run))
        except StepFailure as failure:
            status, reason = FAILED, failure.reason
            if step.type == "Fail":
                # It lets end what runs beside it:
                # https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html
                self._fail_message = reason
        except (StepStopped, Closed):
            status = STOPPED
        except Exception as error:  # whatever it is, the execution must go on
            log.exception("%s %s", self.arn, step.name)
            status, reason = FAILED, f"InternalServerError: {type(error).__name__}: {error}"
        said = {"FailureReason": reason[:FAILURE_REASON_CHARS]} if reason else {}
        record.set(StepStatus=status, EndTime=now(), **said)
        ended.put(step.name)

    def _attempt(self, run: StepRun) -> None:
        step, record = run.step, run.record
        try:
            request, run.target = resolve(step.values, self._sources(run))
        except (ValueUnknownError, DataError) as error:
            raise StepFailure(f"ClientError: {error}") from error
        record.cache_key = cache_key(step.type, request, run.target)
        if step.cache_seconds is not None:
            found = self._find_cached(self, step, record.cache_key)
            if found:
                source, other = found
                record.properties = other.properties
                record.set(
                    Metadata=other.document.get("Metadata", {}),
                    CacheHitResult={"SourcePipelineExecutionArn": source},
                )
                return
        RUNNERS.get(step.type, not_run)(run, request)

    def _sources(self, run: StepRun) -> Sources:
        started = self.started

        def step(name: str) -> Json:
            record = self.records.get(name)
            if record is None or not record.properties:
                raise ValueUnknownError(f"step {name!r} has no properties, it hasn't succeeded")
            return record.properties

        def execution(name: str) -> Any:
            return {
                "PipelineName": started.pipeline_name,
                "PipelineArn": started.pipeline_arn,
                "PipelineExecutionId": self.job.name,
                "PipelineExecutionArn": self.arn,
                "StartDateTime": self.job.document["CreationTime"].isoformat(),
                "CurrentDateTime": now().isoformat(),
            }[name]

        def s3_file(uri: str) -> Any:
            bucket, key = split_uri(uri)
            found = run.call("s3", "get_object", Bucket=bucket, Key=key)
            try:
                return read_json(found["Body"].read().decode())
            except ValueUnknownError as error:
                raise ValueUnknownError(f"{uri}: {error}") from error

        def property_file(name: str, file: str) -> Any:
            declared = self._steps[name].content["PropertyFiles"]
            spec = next(item for item in declared if item["PropertyFileName"] == file)
            outputs = step(name)["ProcessingOutputConfig"]["Outputs"]
            place = at_path(outputs, f"['{spec['OutputName']}'].S3Output.S3Uri", f"step {name!r}")
            return s3_file(join_uri(place, spec["FilePath"]))

        return Sources(started.parameters.__getitem__, execution, step, property_file, s3_file)
