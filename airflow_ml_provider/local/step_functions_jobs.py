"""Jobs that a state machine starts and waits for: SageMaker, Glue, EMR Serverless, executions.

The calls are those that AWS's policies for these integrations allow, and no others:
https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html#sagemaker-iam
https://docs.aws.amazon.com/step-functions/latest/dg/connect-glue.html#glue-iam
https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr-serverless.html#emr-serverless-iam
https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError

from airflow_ml_provider.local.step_functions_calls import call, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_ml_provider.local.protocol import Json

log = logging.getLogger(__name__)
_RULE = "StepFunctionsGetEventsFor{}Rule"
_EVENT_SOURCES = {
    "sagemaker": "aws.sagemaker",
    "emr-serverless": "aws.emr-serverless",
    "stepfunctions": "aws.states",
}


@dataclass(frozen=True)
class JobKind:
    """How Step Functions waits for one kind of job.

    Args:
        describe: returns what AWS answers about the job, given a client and what identifies it.
        status: the answer's field that holds the status.
        succeeded: the status of a job that did its work.
        running: the statuses of a job that still has to end.
        stop: stops the job.
        rule: the managed EventBridge rule that AWS listens to, if it needs one.

    """

    describe: Callable[[Any, Json], Json]
    status: str
    succeeded: str
    running: frozenset[str]
    stop: Callable[[Any, Json], object]
    rule: str | None = None


class JobFailedError(Exception):
    """The job ended, but did not do its work; ``answer`` is what AWS tells about it."""

    def __init__(self, answer: Json) -> None:
        super().__init__(json.dumps(answer))
        self.answer = answer


def start(client: Any, action: str, parameters: Json, execution_arn: str) -> Json:
    """Start a job, and return AWS's answer with all that identifies the job.

    A SageMaker job is tagged with the execution, as AWS does it.
    """
    service = client.meta.service_model.service_name
    if service == "sagemaker" and (service, action) in JOB_KINDS:
        tags = {
            "MANAGED_BY_AWS": "STARTED_BY_STEP_FUNCTIONS",
            "AWS_STEP_FUNCTIONS_EXECUTION_ARN": execution_arn,
        }
        own = [{"Key": key, "Value": value} for key, value in tags.items()]
        parameters = {**parameters, "Tags": [*parameters.get("Tags", ()), *own]}
    answer = call(client, action, parameters, time=milliseconds)
    if service == "glue" and action == "startJobRun":
        answer["JobName"] = parameters["JobName"]
    return answer


def poll(kind: JobKind, client: Any, job: Json) -> Json | None:
    """Return the state's result if the job has ended well, or None while it runs.

    Raises:
        JobFailedError: if it has ended otherwise.

    """
    answer = kind.describe(client, job)
    status = answer[kind.status]
    if status in kind.running:
        return None
    if status != kind.succeeded:
        raise JobFailedError(answer)
    return answer


def stop(kind: JobKind, client: Any, job: Json) -> None:
    """Stop a job, as far as it can be: nobody waits for it any more."""
    try:
        kind.stop(client, job)
    except ClientError as error:
        log.info("%s", error)


def ensure_rule(events: Any, service: str, kind: JobKind) -> None:
    """Make the managed rule by which AWS hears of the ends of jobs, unless it is there."""
    if kind.rule is None:
        return
    try:
        events.describe_rule(Name=kind.rule)
    except events.exceptions.ResourceNotFoundException:
        pattern = {"source": [_EVENT_SOURCES[service]]}
        events.put_rule(Name=kind.rule, EventPattern=json.dumps(pattern))
        region = events.meta.region_name
        target = f"arn:aws:states:{region}:aws:managed-rule"
        events.put_targets(Rule=kind.rule, Targets=[{"Id": kind.rule, "Arn": target}])


def _sagemaker(title: str, rule: str) -> JobKind:
    name, arn = f"{title}Name", f"{title}Arn"

    def describe(client: Any, job: Json) -> Json:
        answer = call(client, f"describe{title}", {name: job[name]}, time=milliseconds)
        if answer[f"{title}Status"] not in ("InProgress", "Stopping"):
            tags = client.list_tags(ResourceArn=answer[arn])["Tags"]
            answer["Tags"] = {tag["Key"]: tag["Value"] for tag in tags}
        return answer

    return JobKind(
        describe=describe,
        status=f"{title}Status",
        succeeded="Completed",
        running=frozenset({"InProgress", "Stopping"}),
        stop=lambda client, job: getattr(client, f"stop_{xform_name(title)}")(**{name: job[name]}),
        rule=_RULE.format(f"SageMaker{rule}Jobs"),
    )


def _glue_run(client: Any, job: Json) -> Json:
    run = {"JobName": job["JobName"], "RunId": job["JobRunId"]}
    return dict(call(client, "getJobRun", run, time=milliseconds)["JobRun"])


def _emr_run(client: Any, job: Json) -> Json:
    run = {"ApplicationId": job["ApplicationId"], "JobRunId": job["JobRunId"]}
    return dict(call(client, "getJobRun", run, time=milliseconds)["JobRun"])


def _execution(client: Any, job: Json) -> Json:
    arn = {"ExecutionArn": job["ExecutionArn"]}
    return call(client, "describeExecution", arn, time=milliseconds)


JOB_KINDS = {
    **{
        ("sagemaker", f"create{title}"): _sagemaker(title, rule)
        for title, rule in (
            ("TrainingJob", "Training"),
            ("ProcessingJob", "Processing"),
            ("TransformJob", "Transform"),
            ("HyperParameterTuningJob", "Tuning"),
        )
    },
    ("glue", "startJobRun"): JobKind(
        describe=_glue_run,
        status="JobRunState",
        succeeded="SUCCEEDED",
        running=frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"}),
        stop=lambda client, job: client.batch_stop_job_run(
            JobName=job["JobName"], JobRunIds=[job["JobRunId"]]
        ),
    ),
    ("emr-serverless", "startJobRun"): JobKind(
        describe=_emr_run,
        status="State",
        succeeded="SUCCESS",
        running=frozenset({"SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING", "QUEUED"}),
        stop=lambda client, job: client.cancel_job_run(
            applicationId=job["ApplicationId"], jobRunId=job["JobRunId"]
        ),
        rule=_RULE.format("EMRServerlessJob"),
    ),
    ("stepfunctions", "startExecution"): JobKind(
        describe=_execution,
        status="Status",
        succeeded="SUCCEEDED",
        running=frozenset({"RUNNING", "PENDING_REDRIVE"}),
        stop=lambda client, job: client.stop_execution(executionArn=job["ExecutionArn"]),
        rule=_RULE.format("StepFunctionsExecution"),
    ),
}
