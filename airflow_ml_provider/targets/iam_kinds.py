"""What the life of a job takes: its service's actions, and on what, for each kind and target.

https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html
https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-access.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.registry import KINDS
from airflow_ml_provider.targets.iam_arns import prefix_of, resource_arns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_ml_provider.plan.nodes import Json
    from airflow_ml_provider.targets.iam_statements import Where

AIRFLOW, STEP_FUNCTIONS, SAGEMAKER = "airflow", "step-functions", "sagemaker"
NOUNS = {
    "sagemaker_training": ("Training", "training-job"),
    "sagemaker_processing": ("Processing", "processing-job"),
    "sagemaker_transform": ("Transform", "transform-job"),
    "sagemaker_tuning": ("HyperParameterTuning", "hyper-parameter-tuning-job"),
}
"""SageMaker's jobs by kind: as its operations and as its ARNs spell them."""
RULES = {
    "sagemaker_training": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker_processing": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    "sagemaker_transform": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "sagemaker_tuning": "StepFunctionsGetEventsForSageMakerTuningJobsRule",
    "emr_serverless": "StepFunctionsGetEventsForEMRServerlessJobRule",
}
"""The rule of EventBridge by which Step Functions hears that a job of a kind has ended."""
_GLUE_RUNS = {"BatchStopJobRun", "GetJobRun", "GetJobRuns", "StartJobRun"}


def job_actions(kind: str, target: str, request: Json) -> list[tuple[str, str]]:
    """Give (IAM's name of the service, action) of all that a job's life takes."""
    service = prefix_of(KINDS[kind].service)
    return [(service, verb) for verb in sorted(_verbs(kind, target, request))]


def _verbs(kind: str, target: str, request: Json) -> set[str]:
    own = {action.partition(":")[2] for action in KINDS[kind].actions}
    tagged = bool(request.get("Tags") or request.get("tags"))
    if kind in NOUNS:
        return _sagemaker_verbs(kind, target, own) | ({"AddTags"} if tagged else set())
    if kind == "glue":
        definition = request.get("Definition") or {}
        tagged = bool(definition.get("Tags"))
        if not definition:
            own &= _GLUE_RUNS
        elif target == STEP_FUNCTIONS:
            own -= {"GetJob"}
    elif kind == "emr_serverless" and target != AIRFLOW:
        own -= {"ListJobRuns"}
    return own | ({"TagResource"} if tagged else set())


def _sagemaker_verbs(kind: str, target: str, own: set[str]) -> set[str]:
    if target == AIRFLOW:
        return own
    # Both services tag what they start.
    verbs = {verb for verb in own if not verb.startswith("List")} | {"AddTags"}
    if target == STEP_FUNCTIONS:
        verbs |= {"ListTags"}
    elif kind == "sagemaker_tuning":
        verbs |= {"ListTrainingJobsForHyperParameterTuningJob"}
    return verbs


def job_resources(
    kind: str, action: str, names: str, request: Json, *, where: Where, text: Callable[[Any], str]
) -> Iterator[str]:
    """Give the ARNs that an action of a job's life is about; ``names`` is its name's pattern."""
    if kind in NOUNS and action != f"List{NOUNS[kind][0]}Jobs":
        yield from resource_arns(where, "sagemaker", f"{NOUNS[kind][1]}/{names}")
    elif kind == "glue":
        yield where.arn("glue", f"job/{names}")
    elif kind == "emr_serverless":
        application = f"/applications/{text(request['applicationId'])}"
        if action in {"CancelJobRun", "GetJobRun", "TagResource"}:
            yield where.arn("emr-serverless", f"{application}/jobruns/*")
        if action in {"StartJobRun", "ListJobRuns", "TagResource"}:
            yield where.arn("emr-serverless", application)
    elif kind == "step_functions_execution":
        machine = text(request["stateMachineArn"])
        of_machine = action in {"StartExecution", "ListExecutions"}
        yield machine if of_machine else f"{machine.replace(':stateMachine:', ':execution:')}:*"
    elif kind == "sagemaker_pipeline_execution":
        of_pipeline = action in {"StartPipelineExecution", "ListPipelineExecutions"}
        below = "" if of_pipeline else "/execution/*"
        name = text(request["PipelineName"])
        yield from resource_arns(where, "sagemaker", f"pipeline/{name}{below}")
    else:
        yield "*"
