"""A step's retries, against a service that answers what a test tells it to."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event, Timer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from airflow_ml_provider.local.pipelines_definition import Step
from airflow_ml_provider.local.pipelines_jobs import (
    create_model,
    register_model,
    run_emr_serverless,
    run_job,
)
from airflow_ml_provider.local.pipelines_order import Place
from airflow_ml_provider.local.pipelines_retry import RetryPolicy
from airflow_ml_provider.local.pipelines_run import (
    Closed,
    StepFailure,
    StepRecord,
    StepRun,
    StepStopped,
)
from airflow_ml_provider.local.protocol import Identity
from airflow_ml_provider.local.store import Job, JobStore

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
IDENTITY = Identity("123456789012", "eu-central-1", "local")
OK: Json = {"TrainingJobStatus": "Completed", "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"}}


def refused(code: str, status: int = 400) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": f"{code}: sorry"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "CreateTrainingJob")


@dataclass
class Service:
    """A client whose every method gives its answers one after another; the last one for ever."""

    answers: dict[str, list[Any]]
    calls: list[tuple[str, Json]] = field(default_factory=list)

    @property
    def meta(self) -> Any:
        return SimpleNamespace(method_to_api_mapping={name: name.title() for name in self.answers})

    def __getattr__(self, name: str) -> Callable[..., Json]:
        def call(**request: Any) -> Json:
            self.calls.append((name, request))
            answers = self.answers[name]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return dict(answer)

        return call

    def names(self, method: str, field: str) -> list[str]:
        return [request[field] for name, request in self.calls if name == method]


def a_run(service: Service, *, kind: str = "Training", retry: tuple[RetryPolicy, ...] = ()) -> Any:
    cloud: Any = SimpleNamespace(
        store=JobStore(),
        turns=SimpleNamespace(closing=False),
        wait_scale=0.001,
        role_client=lambda *_: service,
    )
    execution = Job("pipeline-execution", "abcdefghijkl", IDENTITY, {})
    execution.change(lambda _: {"PipelineExecutionArn": "arn:pipeline/p/execution/abcdefghijkl"})
    step = Step("my_step", kind, {}, Place("my_step"), retry, None)
    record = StepRecord("my_step", IDENTITY, {"DisplayName": "mine"})
    return StepRun(cloud, step, record, "arn:role", execution, Event())


def test_a_throttled_call_is_made_again_for_the_same_job() -> None:
    throttled = refused("ThrottlingException")
    service = Service({"create_training_job": [throttled, throttled, {}]})
    service.answers["describe_training_job"] = [throttled, {"TrainingJobStatus": "InProgress"}, OK]
    run = a_run(service)
    run.repeated(lambda: run_job(run, {}))
    names = service.names("create_training_job", "TrainingJobName")
    assert len(names) == 3
    assert len(set(names)) == 1
    assert names[0].startswith("pipelines-abcdefghijkl-my-step-")
    assert run.record.document["AttemptCount"] == 3
    assert run.record.document["StepDisplayName"] == "mine"
    assert run.record.properties == OK


def test_a_job_that_is_there_already_is_ours() -> None:
    lost = EndpointConnectionError(endpoint_url="http://x")
    service = Service({"create_training_job": [lost, refused("ResourceInUse")]})
    service.answers["describe_training_job"] = [OK]
    run = a_run(service)
    run.repeated(lambda: run_job(run, {}))
    assert run.record.properties == OK


@pytest.mark.parametrize(
    ("reason", "tries"),
    [("CapacityError: none", 3), ("AlgorithmError: exit code 1", 1), ("InternalServerError", 1)],
)
def test_only_what_a_policy_names_is_run_again(reason: str, tries: int) -> None:
    failed = {"TrainingJobStatus": "Failed", "FailureReason": reason}
    service = Service({"create_training_job": [{}], "describe_training_job": [failed]})
    run = a_run(service, retry=(RetryPolicy(frozenset({"SageMaker.CAPACITY_ERROR"}), attempts=2),))
    with pytest.raises(StepFailure, match=reason):
        run.repeated(lambda: run_job(run, {"TrainingJobName": "base"}))
    names = service.names("create_training_job", "TrainingJobName")
    assert len(set(names)) == tries
    assert names[0].startswith("base-abcdefghijkl-")


def test_a_policy_ends() -> None:
    service = Service({"create_training_job": [refused("InternalFailure", 500)]})
    run = a_run(service, retry=(RetryPolicy(frozenset({"Step.SERVICE_FAULT"}), attempts=1),))
    with pytest.raises(StepFailure, match=r"Failed to invoke .*InternalFailure"):
        run.repeated(lambda: run_job(run, {}))
    assert len(service.calls) == 2


def test_a_stop_ends_the_wait_for_a_retry() -> None:
    service = Service({"create_training_job": [refused("ThrottlingException")]})
    policy = RetryPolicy(frozenset({"Step.THROTTLING"}), interval_seconds=1e6, attempts=9)
    run = a_run(service, retry=(policy,))
    stop = Timer(0.05, run.stop.set)
    stop.start()
    with pytest.raises(StepStopped):
        run.repeated(lambda: run_job(run, {}))


def test_a_job_that_others_stopped_failed() -> None:
    service = Service({"create_training_job": [{}]})
    service.answers["describe_training_job"] = [{"TrainingJobStatus": "Stopped"}]
    run = a_run(service)
    with pytest.raises(StepFailure, match="was stopped or ran out of time"):
        run_job(run, {})


def test_a_stop_stops_the_job_even_if_aws_refuses_once() -> None:
    service = Service({"create_training_job": [{}], "stop_training_job": [refused("Gone")]})
    service.answers["describe_training_job"] = [
        {"TrainingJobStatus": "InProgress"},
        {"TrainingJobStatus": "Stopped"},
    ]
    run = a_run(service)
    run.stop.set()
    with pytest.raises(StepStopped):
        run_job(run, {})
    assert [name for name, _ in service.calls].count("stop_training_job") == 1


def test_a_model_that_is_there_already_is_ours() -> None:
    service = Service(
        {
            "create_model": [refused("Cannot create already existing model")],
            "describe_model": [{"ModelArn": "arn:model", "ModelName": "m"}],
        }
    )
    run = a_run(service, kind="Model")
    create_model(run, {})
    assert run.record.document["Metadata"] == {"Model": {"Arn": "arn:model"}}


def test_a_tuning_job_knows_its_training_jobs() -> None:
    best = {"BestTrainingJob": {"TrainingJobName": "t-1"}}
    service = Service(
        {
            "create_hyper_parameter_tuning_job": [{}],
            "describe_hyper_parameter_tuning_job": [
                {"HyperParameterTuningJobStatus": "Completed", **best}
            ],
            "list_training_jobs_for_hyper_parameter_tuning_job": [{"TrainingJobSummaries": [1]}],
        }
    )
    run = a_run(service, kind="Tuning")
    run_job(run, {})
    assert run.record.properties["BestTrainingJob"] == best["BestTrainingJob"]
    assert run.record.properties["TrainingJobSummaries"] == [1]
    names = service.names("create_hyper_parameter_tuning_job", "HyperParameterTuningJobName")
    assert len(names[0]) <= 32


@pytest.mark.parametrize(
    ("described", "created"), [([{}], 0), ([refused("ValidationException")], 1)]
)
def test_a_group_is_made_if_there_is_none(described: list[Any], created: int) -> None:
    service = Service(
        {
            "describe_model_package_group": described,
            "create_model_package_group": [refused("Group already exists")],
            "create_model_package": [refused("InternalFailure", 500), {"ModelPackageArn": "arn:1"}],
            "describe_model_package": [{"ModelPackageArn": "arn:1"}],
        }
    )
    run = a_run(service, kind="RegisterModel")
    run.repeated(lambda: register_model(run, {"ModelPackageGroupName": "g"}))
    assert run.record.properties == {"ModelPackageArn": "arn:1"}
    names = service.names("create_model_package_group", "ModelPackageGroupName")
    assert names == ["g"] * created * 2
    tokens = service.names("create_model_package", "ClientToken")
    assert len(tokens) == 2
    assert tokens[0] == tokens[1]


def a_job_run(*states: str) -> Service:
    listed = [{"jobRun": {"state": state, "stateDetails": "why"}} for state in states]
    return Service(
        {
            "create_application": [{"applicationId": "app"}],
            "start_job_run": [{"applicationId": "app", "jobRunId": "run"}],
            "get_job_run": listed,
            "cancel_job_run": [{}],
            "stop_application": [{}],
            "delete_application": [{}],
        }
    )


def test_emr_serverless() -> None:
    service = a_job_run("RUNNING", "SUCCESS")
    run = a_run(service, kind="EMRServerless")
    run_emr_serverless(run, {"ApplicationId": "app", "ExecutionRoleArn": "r", "JobConfig": {}})
    assert service.names("start_job_run", "executionRoleArn") == ["r"]
    assert run.record.properties["jobRun"]["state"] == "SUCCESS"
    assert [name for name, _ in service.calls] == ["start_job_run", "get_job_run", "get_job_run"]


def test_emr_serverless_in_an_application_of_its_own() -> None:
    service = a_job_run("FAILED")
    run = a_run(service, kind="EMRServerless")
    config = {"name": "a", "releaseLabel": "emr-7.0.0", "type": "SPARK"}
    with pytest.raises(StepFailure, match="why"):
        run_emr_serverless(run, {"ApplicationConfig": config, "JobConfig": {}})
    called = [name for name, _ in service.calls]
    assert called[0] == "create_application"
    assert called[-2:] == ["stop_application", "delete_application"]


def test_emr_serverless_is_stopped() -> None:
    service = a_job_run("RUNNING", "CANCELLED")
    run = a_run(service, kind="EMRServerless")
    run.stop.set()
    with pytest.raises(StepStopped):
        run_emr_serverless(run, {"ApplicationId": "app", "JobConfig": {}})
    assert service.names("cancel_job_run", "jobRunId") == ["run"]


def test_nothing_is_called_when_the_server_ends() -> None:
    service = Service({"create_training_job": [{}]})
    run = a_run(service)
    run.cloud.turns.closing = True
    with pytest.raises(Closed):
        run_job(run, {})
    assert not service.calls


@pytest.mark.parametrize("limit", [63, 32])
def test_names_fit(limit: int) -> None:
    run = a_run(Service({}))
    object.__setattr__(run.step, "name", "a_very-long-" * 5)
    name = run.new_name(limit)
    assert len(name) <= limit
    assert run.new_name(limit) == name
    run.name = None
    assert run.new_name(limit) != name
