"""The operations of pipeline executions: start, look, stop, retry, answer callbacks.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StartPipelineExecution.html
"""

from __future__ import annotations

import secrets
import string
import time
from typing import TYPE_CHECKING

from airflow_ml_provider.local.create_once import ClientTokens
from airflow_ml_provider.local.pipelines_definition import read_definition
from airflow_ml_provider.local.pipelines_execution import KIND, Execution, Started
from airflow_ml_provider.local.pipelines_order import FAILED, STOPPED, SUCCEEDED
from airflow_ml_provider.local.pipelines_parameters import values
from airflow_ml_provider.local.pipelines_values import as_text
from airflow_ml_provider.local.protocol import AwsError, Call, Identity, Json, Operations
from airflow_ml_provider.local.rules import invalid
from airflow_ml_provider.local.sagemaker_jobs import DEFAULT_PAGE, in_time
from airflow_ml_provider.local.store import Job, now, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.pipelines_definition import Step
    from airflow_ml_provider.local.pipelines_run import StepRecord

DEFAULT_STEPS_PAGE = 20
DEFAULT_PARAMETERS_PAGE = 100
_ID_CHARS = string.ascii_lowercase + string.digits
_ID_LENGTH = 12
_GIVEN = ("PipelineExecutionDescription", "ParallelismConfiguration")


class Executions:
    """All executions of one local AWS.

    Args:
        cloud: the local AWS.
        find_pipeline: the pipeline of a name or an ARN; raises `AwsError` if there is none.

    """

    def __init__(self, cloud: Cloud, find_pipeline: Callable[[Identity, str], Job]) -> None:
        self._cloud = cloud
        self._find_pipeline = find_pipeline
        self._executions: dict[str, Execution] = {}
        self._tokens = ClientTokens()

    def operations(self) -> Operations:
        """Return the operations."""
        return {
            ("sagemaker", "StartPipelineExecution"): self._once(self._start),
            ("sagemaker", "StopPipelineExecution"): self._once(self._stop),
            ("sagemaker", "RetryPipelineExecution"): self._once(self._retry),
            ("sagemaker", "UpdatePipelineExecution"): self._update,
            ("sagemaker", "DescribePipelineExecution"): lambda c: self._find(c).job.document,
            ("sagemaker", "DescribePipelineDefinitionForExecution"): self._definition,
            ("sagemaker", "ListPipelineExecutions"): self._list,
            ("sagemaker", "ListPipelineExecutionSteps"): self._steps,
            ("sagemaker", "ListPipelineParametersForExecution"): self._parameters,
            ("sagemaker", "SendPipelineExecutionStepSuccess"): self._once(self._succeed),
            ("sagemaker", "SendPipelineExecutionStepFailure"): self._once(self._fail),
        }

    def _once(self, operation: Callable[[Call], Json]) -> Callable[[Call], Json]:
        return lambda call: self._tokens.once(
            call, "ClientRequestToken", "ValidationException", lambda: operation(call)
        )

    def _find(self, call: Call) -> Execution:
        arn = call.params.get("PipelineExecutionArn", "")
        found = self._executions.get(arn)
        if found is None or found.job.identity != call.identity:
            raise AwsError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
        return found

    def _start(self, call: Call) -> Json:
        params = call.params
        pipeline = self._find_pipeline(call.identity, params["PipelineName"])
        for field in ("SelectiveExecutionConfig", "PipelineVersionId"):
            if field in params:
                raise AwsError("ValidationException", f"the local AWS has no {field}")
        document = pipeline.document
        definition = read_definition(document["PipelineDefinition"])
        given = {item["Name"]: item["Value"] for item in params.get("PipelineParameters", ())}
        parameters, problems = values(definition.parameters, given)
        if problems:
            raise invalid("sagemaker", problems)
        started = Started(
            definition=definition,
            text=document["PipelineDefinition"],
            parameters=parameters,
            pipeline_arn=document["PipelineArn"],
            pipeline_name=document["PipelineName"],
            role_arn=document["RoleArn"],
        )
        job = Job(KIND, _new_id(), call.identity, params)
        arn = f"{document['PipelineArn']}/execution/{job.name}"
        by = document["CreatedBy"]
        at = now()
        parallelism = document.get("ParallelismConfiguration")
        named = params.get("PipelineExecutionDisplayName", f"execution-{int(time.time() * 1000)}")
        described = {
            "PipelineArn": document["PipelineArn"],
            "PipelineExecutionArn": arn,
            "PipelineExecutionDisplayName": named,
            "PipelineExecutionStatus": "Executing",
            **({"ParallelismConfiguration": parallelism} if parallelism else {}),
            **{field: params[field] for field in _GIVEN if field in params},
            "CreationTime": at,
            "LastModifiedTime": at,
            "CreatedBy": by,
            "LastModifiedBy": by,
        }
        job.change(lambda _: described)
        pipeline.change(lambda _: {"LastRunTime": at})
        self._cloud.store.add(job)
        execution = Execution(self._cloud, job, started, self._cached)
        self._executions[arn] = execution
        execution.start()
        return {"PipelineExecutionArn": arn}

    def _cached(self, execution: Execution, step: Step, key: str) -> tuple[str, StepRecord] | None:
        oldest = now().timestamp() - (step.cache_seconds or 0)
        found: list[tuple[str, StepRecord]] = [
            (other.arn, record)
            for other in list(self._executions.values())
            if other is not execution
            and other.started.pipeline_arn == execution.started.pipeline_arn
            and (record := other.records.get(step.name))
            and record.status == SUCCEEDED
            and record.cache_key == key
            and "CacheHitResult" not in record.document
            and record.document["EndTime"].timestamp() >= oldest
        ]
        return max(found, key=lambda item: item[1].document["EndTime"], default=None)

    def _stop(self, call: Call) -> Json:
        execution = self._find(call)

        def change(document: Json) -> Json:
            status = document["PipelineExecutionStatus"]
            if status not in ("Executing", "Stopping"):
                raise AwsError(
                    "ConflictException",
                    "Only pipeline executions with 'Executing' status can be stopped. "
                    f"Current status: '{status}'",
                )
            return {"PipelineExecutionStatus": "Stopping", "LastModifiedTime": now()}

        execution.job.change(change)
        execution.stop()
        return {"PipelineExecutionArn": execution.arn}

    def _retry(self, call: Call) -> Json:
        execution = self._find(call)
        if execution.ended_by_fail_step:
            raise AwsError(
                "ConflictException", "An execution that a fail step ended is not retried"
            )
        parallelism = call.params.get("ParallelismConfiguration")

        def change(document: Json) -> Json:
            status = document["PipelineExecutionStatus"]
            if status not in (FAILED, STOPPED):
                raise AwsError(
                    "ConflictException",
                    "Only pipeline executions with 'Failed' or 'Stopped' status can be retried. "
                    f"Current status: '{status}'",
                )
            return {
                "PipelineExecutionStatus": "Executing",
                "FailureReason": None,
                "LastModifiedTime": now(),
                **({"ParallelismConfiguration": parallelism} if parallelism else {}),
            }

        execution.job.change(change)
        execution.start()
        return {"PipelineExecutionArn": execution.arn}

    def _update(self, call: Call) -> Json:
        execution = self._find(call)
        fields = ("PipelineExecutionDisplayName", *_GIVEN)
        changed = {field: call.params[field] for field in fields if field in call.params}
        execution.job.change(lambda _: {**changed, "LastModifiedTime": now()})
        return {"PipelineExecutionArn": execution.arn}

    def _definition(self, call: Call) -> Json:
        execution = self._find(call)
        created = execution.job.document["CreationTime"]
        return {"PipelineDefinition": execution.started.text, "CreationTime": created}

    def _list(self, call: Call) -> Json:
        params = call.params
        pipeline = self._find_pipeline(call.identity, params["PipelineName"])
        arn = pipeline.document["PipelineArn"]
        by_arn = params.get("SortBy") == "PipelineExecutionArn"
        field = "PipelineExecutionArn" if by_arn else "CreationTime"
        found = page(
            (
                job
                for job in self._cloud.store.all(KIND, call.identity)
                if job.document["PipelineArn"] == arn
                and in_time(job.document["CreationTime"], params, "Created")
            ),
            lambda job: job.document[field],
            descending=params.get("SortOrder", "Descending") == "Descending",
            size=params.get("MaxResults", DEFAULT_PAGE),
            token=params.get("NextToken"),
        )
        summaries = [_summary(job.document) for job in found.jobs]
        return {"PipelineExecutionSummaries": summaries, "NextToken": found.next_token}

    def _steps(self, call: Call) -> Json:
        found = page(
            list(self._find(call).records.values()),
            lambda record: record.document["StartTime"],
            descending=call.params.get("SortOrder", "Descending") == "Descending",
            size=call.params.get("MaxResults", DEFAULT_STEPS_PAGE),
            token=call.params.get("NextToken"),
        )
        steps = [record.document for record in found.jobs]
        return {"PipelineExecutionSteps": steps, "NextToken": found.next_token}

    def _parameters(self, call: Call) -> Json:
        # Jobs, since pages are made of these.
        listed = [
            Job("pipeline-parameter", name, call.identity, {"Name": name, "Value": as_text(value)})
            for name, value in self._find(call).started.parameters.items()
        ]
        found = page(
            listed,
            lambda job: job.name,
            descending=False,
            size=call.params.get("MaxResults", DEFAULT_PARAMETERS_PAGE),
            token=call.params.get("NextToken"),
        )
        shown = [job.request for job in found.jobs]
        return {"PipelineParameters": shown, "NextToken": found.next_token}

    def _succeed(self, call: Call) -> Json:
        given = call.params.get("OutputParameters", ())
        return self._answer(call, None, {item["Name"]: item["Value"] for item in given})

    def _fail(self, call: Call) -> Json:
        return self._answer(call, call.params.get("FailureReason", "no reason was given"), {})

    def _answer(self, call: Call, failure: str | None, outputs: Json) -> Json:
        token = call.params["CallbackToken"]
        for execution in list(self._executions.values()):
            for record in list(execution.records.values()):
                metadata = record.document.get("Metadata", {}).get("Callback", {})
                if metadata.get("CallbackToken") != token:
                    continue
                if execution.job.identity != call.identity:
                    continue
                if record.answer is not None:
                    raise AwsError(
                        "ConflictException",
                        f"Pipeline execution step with callback token {token} was answered before",
                    )
                record.answer = (failure, outputs)
                return {"PipelineExecutionArn": execution.arn}
        raise AwsError(
            "ResourceNotFound", f"Pipeline execution step with callback token {token} not found."
        )


def _new_id() -> str:
    return "".join(secrets.choice(_ID_CHARS) for _ in range(_ID_LENGTH))


def _summary(document: Json) -> Json:
    fields = (
        *("PipelineExecutionArn", "PipelineExecutionStatus", "PipelineExecutionDisplayName"),
        "PipelineExecutionDescription",
    )
    summary = {field: document[field] for field in fields if field in document}
    summary["StartTime"] = document["CreationTime"]
    if document.get("FailureReason"):
        summary["PipelineExecutionFailureReason"] = document["FailureReason"]
    return summary
