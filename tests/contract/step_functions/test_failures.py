"""Failures: retried, caught, or by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from state_machines import CATCH_ALL, GET, TRAIN, Client, Json, Run, failure, machine, output, task

if TYPE_CHECKING:
    from collections.abc import Callable


def test_retry_with_a_new_name_for_each_try(
    run: Run, training_request: Callable[..., Json], name: str
) -> None:
    code = "import os; assert os.environ['TRAINING_JOB_NAME'].endswith('-1')"
    request = training_request(code)
    del request["TrainingJobName"]
    request["TrainingJobName.$"] = f"States.Format('{name}-{{}}', $$.State.RetryCount)"
    retry = {
        "ErrorEquals": ["States.TaskFailed"],
        "IntervalSeconds": 1,
        "BackoffRate": 2,
        "MaxAttempts": 2,
        "MaxDelaySeconds": 2,
        "JitterStrategy": "FULL",
    }
    answer = output(run(machine(train=task(TRAIN, request, Retry=[retry]))))
    assert answer["TrainingJobName"] == f"{name}-1"


def test_a_name_is_taken_once(run: Run, training_request: Callable[..., Json], name: str) -> None:
    retry = {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}
    request = training_request("raise SystemExit(3)")
    execution = run(machine(train=task(TRAIN, request, Retry=[retry])))
    assert failure(execution) == "SageMaker.ResourceInUseException"
    assert name in execution["cause"]


def test_what_the_model_does_not_name_is_the_general_exception(
    run: Run, training_request: Callable[..., Json]
) -> None:
    request = training_request("", TrainingJobName="_")
    execution = run(machine(train=task(TRAIN, request)))
    assert failure(execution) == "SageMaker.AmazonSageMakerException"
    assert "ValidationException" in execution["cause"]


def test_catch_of_an_sdk_error(run: Run, bucket: str, name: str) -> None:
    definition = machine(
        read=task(
            GET,
            {"Bucket": bucket, "Key": f"{name}/none"},
            Catch=[
                {
                    "ErrorEquals": ["S3.NoSuchKeyException"],
                    "ResultPath": "$.failure",
                    "Next": "caught",
                }
            ],
        ),
        caught={"Type": "Pass"},
    )
    answer = output(run(definition, {"kept": 1}))
    assert answer["kept"] == 1
    assert answer["failure"]["Error"] == "S3.NoSuchKeyException"
    assert "Cause" in answer["failure"]


def test_a_timeout_stops_the_job(
    *, run: Run, training_request: Callable[..., Json], client: Client, until: Any, name: str
) -> None:
    request = training_request("import time; time.sleep(300)")
    # The time also counts what comes before the job's start, which takes seconds on a busy machine.
    execution = run(machine(train=task(TRAIN, request, TimeoutSeconds=10)))
    assert failure(execution) == "States.Timeout"
    described = client("sagemaker").describe_training_job
    until(lambda: described(TrainingJobName=name)["TrainingJobStatus"] == "Stopped")


def test_a_path_that_is_not_there_is_caught_by_nobody(run: Run) -> None:
    late = machine(late={"Type": "Wait", "Seconds": 30})
    broken = machine(broken={"Type": "Pass", "Parameters": {"x.$": "$.a"}})
    both = {"Type": "Parallel", "Branches": [broken, late], "Catch": CATCH_ALL}
    execution = run(machine(both=both, caught={"Type": "Pass"}))
    assert failure(execution) == "States.Runtime"
    assert "$.a" in execution["cause"]


def test_a_failed_function_keeps_its_name_in_a_parallel(run: Run) -> None:
    broken = machine(broken={"Type": "Pass", "Parameters": {"x.$": "States.StringToJson('{')"}})
    both = {"Type": "Parallel", "Branches": [broken], "Catch": CATCH_ALL}
    answer = output(run(machine(both=both, caught={"Type": "Pass"})))
    assert answer["failure"]["Error"] == "States.IntrinsicFailure"


def test_a_field_of_the_wrong_type(run: Run, training_request: Callable[..., Json]) -> None:
    request = training_request("", HyperParameters={"depth": 5})
    execution = run(machine(train=task(TRAIN, request, Catch=CATCH_ALL), caught={"Type": "Pass"}))
    assert failure(execution) == "States.Runtime"
    assert "HyperParameters.depth" in execution["cause"]
