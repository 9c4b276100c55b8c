"""One step of an execution on its way: its calls, its waiting, its retries."""

from __future__ import annotations

import secrets
import string
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from airflow_ml_provider.local.pipelines_retry import SERVICE_FAULT, call_exception, policy_for
from airflow_ml_provider.local.store import Job, now

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.pipelines_definition import Step
    from airflow_ml_provider.local.protocol import Identity, Json

FAILURE_REASON_CHARS = 1024
POLL_SECONDS = 0.02
_NAME_CHARS = string.ascii_letters + string.digits
_RANDOM_CHARS = 10


class StepFailure(Exception):  # noqa: N818 - it is what AWS calls it
    """A step failed; ``exception`` is the exception type that retry policies know, or empty.

    ``code`` is that of the call which AWS refused.
    """

    def __init__(self, reason: str, exception: str = "", code: str = "") -> None:
        super().__init__(reason)
        self.reason = reason[:FAILURE_REASON_CHARS]
        self.exception = exception
        self.code = code


class StepStopped(Exception):  # noqa: N818 - no error
    """The execution was stopped, and the step with it."""


class Closed(Exception):  # noqa: N818 - no error
    """The local AWS ends."""


class StepRecord(Job):
    """What ListPipelineExecutionSteps answers of a step; it begins when the step does.

    ``properties`` is what AWS describes of it when it has ended, ``cache_key`` what another
    execution must ask for to take it over, ``answer`` the (failure, outputs) that a callback got.
    """

    def __init__(self, name: str, identity: Identity, content: Json) -> None:
        super().__init__("pipeline-step", name, identity, {})
        self.properties: Json = {}
        self.cache_key: str | None = None
        self.answer: tuple[str | None, Json] | None = None
        shown = {"StepDisplayName": "DisplayName", "StepDescription": "Description"}
        described = {key: content[field] for key, field in shown.items() if field in content}
        started = {"StartTime": now(), "StepStatus": "Executing", "AttemptCount": 1}
        self.change(lambda _: {"StepName": name, **described, **started})

    @property
    def status(self) -> str:
        """The step's status now."""
        return str(self.document["StepStatus"])

    def set(self, **fields: Any) -> None:
        """Change what is listed."""
        self.change(lambda _: fields)


@dataclass
class StepRun:
    """What running a step takes.

    Args:
        cloud: the local AWS.
        step: the step.
        record: what is listed of it.
        role_arn: in whose name it calls AWS.
        execution: the execution that it belongs to, as the store has it.
        stop: set when the execution is to stop.
        name: of the job or resource while it isn't certain that it was made; a retry uses it again.
        target: the function or the queue that it asks.

    """

    cloud: Cloud
    step: Step
    record: StepRecord
    role_arn: str
    execution: Job
    stop: Event
    name: str | None = None
    target: Any = None

    @property
    def execution_arn(self) -> str:
        """The execution's ARN."""
        return str(self.execution.document["PipelineExecutionArn"])

    def client(self, service: str) -> Any:
        """Return a client in the name of the pipeline's role."""
        return self.cloud.role_client(service, self.record.identity, self.role_arn)

    def call(self, service: str, method: str, **request: Any) -> Json:
        """Return what AWS answers.

        Raises:
            StepFailure: if it refuses.

        """
        if self.cloud.turns.closing:
            raise Closed
        client = self.client(service)
        operation = f"{service}:{client.meta.method_to_api_mapping[method]}"
        words = f"ClientError: Failed to invoke {operation}. Error Details: "
        try:
            answer: Json = getattr(client, method)(**request)
        except ClientError as error:
            details = error.response["Error"]
            code = details.get("Code", "")
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            exception = call_exception(code, status)
            reason = f"{words}{details.get('Message', '')} ({code})"
            raise StepFailure(reason, exception, code) from error
        except ParamValidationError as error:
            raise StepFailure(f"{words}{error}") from error
        except BotoCoreError as error:
            if self.cloud.turns.closing:
                raise Closed from error
            raise StepFailure(f"{words}{error}", SERVICE_FAULT) from error
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    def pause(self, seconds: float = POLL_SECONDS) -> None:
        """Wait a little; a stop of the execution doesn't shorten it.

        Raises:
            Closed: if the local AWS ends.

        """
        time.sleep(seconds)
        if self.cloud.turns.closing:
            raise Closed

    def new_name(self, limit: int, prefix: str | None = None) -> str:
        """Return the name of what the step makes: as long as it isn't used up, the same one.

        Args:
            limit: its most characters; short ones have no ``pipelines-``.
            prefix: what the definition gives as name.

        """
        if self.name is None:
            execution = self.execution.name
            end = "".join(secrets.choice(_NAME_CHARS) for _ in range(_RANDOM_CHARS))
            begin = f"pipelines-{execution}-" if limit > len(execution) * 3 else f"{execution}-"
            middle = self.step.name
            if prefix:
                begin, middle, end = "", prefix, f"{execution}-{end}"
            middle = middle.replace("_", "-")[: limit - len(begin) - len(end) - 1].strip("-")
            self.name = f"{begin}{middle}-{end}" if middle else f"{begin}{end}"
        return self.name

    def repeated(self, attempt: Callable[[], None]) -> None:
        """Run attempts until one succeeds or the retry policies give up.

        Raises:
            StepFailure: of the last attempt.
            StepStopped: if the execution is stopped meanwhile.

        """
        began, tried = time.monotonic(), Counter[object]()
        while True:
            try:
                return attempt()
            except StepFailure as failure:
                policy = policy_for(self.step.retry, failure.exception)
                if policy is None:
                    raise
                delay = policy.delay_seconds(tried[policy], time.monotonic() - began)
                if delay is None:
                    raise
                tried[policy] += 1
            self.wait(delay)
            self.record.set(AttemptCount=1 + sum(tried.values()))

    def wait(self, seconds: float) -> None:
        """Wait before a retry.

        Raises:
            StepStopped: if the execution is stopped meanwhile.

        """
        deadline = time.monotonic() + seconds * self.cloud.wait_scale
        while (rest := deadline - time.monotonic()) > 0:
            if self.stop.is_set():
                raise StepStopped
            self.pause(min(rest, POLL_SECONDS))
