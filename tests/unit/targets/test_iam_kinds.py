"""What the life of a job takes, for each kind and target."""

from __future__ import annotations

import pytest
from iam_plans import (
    BUCKET,
    COMPLETE,
    DEFINITION,
    ROLE,
    arn,
    each,
    emr,
    execution,
    execution_of,
    glue,
    register,
    training,
    tuning,
)

from airflow_ml_provider.jobs.registry import KINDS
from airflow_ml_provider.pipeline.values import (
    Parameter,
)
from airflow_ml_provider.plan.nodes import (
    Job,
)

BESIDES = {"iam", "logs", "s3"}
"""Services of what a task does besides its kind: pass roles, read logs and reports, stage code."""


@pytest.mark.parametrize("kind", COMPLETE)
def test_airflow_is_granted_what_the_kind_says_that_it_calls(kind: str) -> None:
    actions = {action for action, _ in execution("airflow", COMPLETE[kind])}
    assert {one for one in actions if one.partition(":")[0] not in BESIDES} == KINDS[kind].actions


def test_every_kind_is_there() -> None:
    assert COMPLETE.keys() == KINDS.keys()


def test_executions_of_other_orchestrators() -> None:
    found = execution("airflow", COMPLETE["step_functions_execution"])
    machine, runs = arn("states", "stateMachine:m"), arn("states", "execution:m:*")
    assert each("states", "ListExecutions StartExecution", machine) <= found
    assert each("states", "DescribeExecution StopExecution", runs) <= found
    found = execution("airflow", COMPLETE["sagemaker_pipeline_execution"])
    pipeline = arn("sagemaker", "pipeline/p")
    assert ("sagemaker:StartPipelineExecution", pipeline) in found
    assert ("sagemaker:StopPipelineExecution", f"{pipeline}/execution/*") in found


def test_a_kind_without_a_table_is_allowed_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "other", KINDS["step_functions_execution"])
    assert ("states:StartExecution", "*") in execution("airflow", execution_of("other"))


def test_a_training_job_on_airflow() -> None:
    job = arn("sagemaker", "training-job/flights-train-*")
    logs = arn("logs", "log-group:/aws/sagemaker/TrainingJobs")
    assert execution("airflow", training()) == {
        *each("sagemaker", "CreateTrainingJob DescribeTrainingJob StopTrainingJob", job),
        ("sagemaker:ListTrainingJobs", "*"),
        ("iam:PassRole", ROLE),
        *each("logs", "DescribeLogStreams FilterLogEvents", f"{logs}:*"),
        ("logs:GetLogEvents", f"{logs}:log-stream:flights-train-*/*"),
        *each("s3", "GetObject PutObject", f"{BUCKET}/ml/code/*"),
    }


def test_a_training_job_on_step_functions() -> None:
    job = arn("sagemaker", "training-job/flights-train-*")
    rule = arn("events", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule")
    assert execution("step-functions", training()) == {
        *each("sagemaker", "CreateTrainingJob DescribeTrainingJob StopTrainingJob", job),
        *each("sagemaker", "AddTags ListTags", job),
        ("iam:PassRole", ROLE),
        *each("events", "DescribeRule PutRule PutTargets", rule),
    }


def test_a_training_job_on_sagemaker() -> None:
    job = arn("sagemaker", "training-job/pipelines-*")
    assert execution("sagemaker", training()) == {
        *each("sagemaker", "AddTags CreateTrainingJob DescribeTrainingJob StopTrainingJob", job),
        ("iam:PassRole", ROLE),
    }


def test_a_tuning_job() -> None:
    jobs = "hyper-parameter-tuning-job"
    found = execution("sagemaker", tuning())
    verb = "sagemaker:ListTrainingJobsForHyperParameterTuningJob"
    assert (verb, arn("sagemaker", f"{jobs}/*-tune*")) in found
    assert ("iam:PassRole", ROLE) in found
    create = "sagemaker:CreateHyperParameterTuningJob"
    assert (create, arn("sagemaker", f"{jobs}/flights-tu*")) in execution("airflow", tuning())
    found = execution("step-functions", tuning())
    assert (create, arn("sagemaker", f"{jobs}/flights-tune-*")) in found


def test_tags_are_a_permission_of_their_own() -> None:
    tags = [{"Key": "a", "Value": "b"}]
    job = arn("sagemaker", "training-job/flights-train-*")
    found = execution("airflow", training(Tags=tags))
    assert ("sagemaker:AddTags", job) in found
    assert ("s3:PutObjectTagging", f"{BUCKET}/ml/code/*") in found
    found = execution("airflow", glue(Definition={**DEFINITION, "Tags": {"a": "b"}}))
    assert ("glue:TagResource", arn("glue", "job/flights-daily")) in found
    tagged = Job(**{**vars(emr()), "request": {**emr().request, "tags": {"a": "b"}}})
    found = execution("airflow", tagged)
    application = arn("emr-serverless", "/applications/00f1")
    assert {f"{application}/jobruns/*", application} == {
        resource for action, resource in found if action == "emr-serverless:TagResource"
    }
    group = arn("sagemaker", "model-package-group/flights")
    assert ("sagemaker:AddTags", group) in execution("airflow", register(tags=tags))


@pytest.mark.parametrize(
    ("target", "definition", "verbs"),
    [
        (
            "airflow",
            True,
            "BatchStopJobRun CreateJob GetJob GetJobRun GetJobRuns StartJobRun UpdateJob",
        ),
        ("airflow", False, "BatchStopJobRun GetJobRun GetJobRuns StartJobRun"),
        (
            "step-functions",
            True,
            "BatchStopJobRun CreateJob GetJobRun GetJobRuns StartJobRun UpdateJob",
        ),
    ],
)
def test_glue(target: str, definition: bool, verbs: str) -> None:
    job = glue(**({"Definition": DEFINITION} if definition else {}))
    found = {one for one in execution(target, job) if one[0].startswith("glue:")}
    assert found == each("glue", verbs, arn("glue", "job/flights-daily"))


def test_emr_serverless_with_an_application_by_parameter() -> None:
    everything = arn("emr-serverless", "/applications/*")
    found = execution("step-functions", emr(Parameter("application", "00f1")))
    rule = arn("events", "rule/StepFunctionsGetEventsForEMRServerlessJobRule")
    assert found == {
        ("emr-serverless:StartJobRun", everything),
        *each("emr-serverless", "CancelJobRun GetJobRun", f"{everything}/jobruns/*"),
        ("iam:PassRole", ROLE),
        *each("events", "DescribeRule PutRule PutTargets", rule),
    }
