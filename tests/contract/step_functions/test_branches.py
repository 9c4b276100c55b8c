"""Parallel and Map states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from state_machines import GET, TRAIN, Client, Json, Run, failing, failure, machine, output, task

if TYPE_CHECKING:
    from collections.abc import Callable


DESCRIBE = "arn:aws:states:::aws-sdk:sagemaker:describeTrainingJob"


def test_branches_that_catch_finish_all(run: Run) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "failed"}]

    def branch(body: Json) -> Json:
        inner = {"Type": "Parallel", "Branches": [body], "Catch": catch}
        return machine(work=inner, failed={"Type": "Pass"})

    definition = machine(
        both={
            "Type": "Parallel",
            "Branches": [branch(failing("a")), branch(machine(ok={"Type": "Pass", "Result": 7}))],
            "ResultSelector": {"failures.$": "$[*].failure", "second.$": "$[1]"},
            "ResultPath": "$.joined",
            "Next": "check",
        },
        check={
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.joined.failures[0]", "IsPresent": True, "Next": "fail"},
            ],
            "Default": "done",
        },
        fail={
            "Type": "Fail",
            "ErrorPath": "$.joined.failures[0].Error",
            "CausePath": "States.Format('{} {}', $.joined.second[0], $.joined.failures[0].Cause)",
        },
        done={"Type": "Succeed"},
    )
    execution = run(definition)
    assert (failure(execution), execution["cause"]) == ("Broken", "7 a")


def test_a_failed_branch_stops_the_jobs_of_the_others(
    *, run: Run, training_request: Callable[..., Json], client: Client, until: Any, name: str
) -> None:
    job = machine(train=task(TRAIN, training_request("import time; time.sleep(300)")))
    again = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 60}
    started = task(DESCRIBE, {"TrainingJobName": name}, Retry=[{**again, "BackoffRate": 1}])
    late = machine(started={**started, "Next": "fail"}, fail={"Type": "Fail"})
    execution = run(machine(both={"Type": "Parallel", "Branches": [job, late]}))
    assert execution["status"] == "FAILED"
    described = client("sagemaker").describe_training_job
    until(lambda: described(TrainingJobName=name)["TrainingJobStatus"] == "Stopped")


def test_map_over_the_items(run: Run, put: Callable[..., str], bucket: str, name: str) -> None:
    for n in range(3):
        put(f"item-{n}", f'{{"n": {n}}}')
    key = f"States.Format('{name}/item-{{}}', $$.Map.Item.Index)"
    read = task(
        GET,
        {"Bucket": bucket, "Key.$": key},
        ResultSelector={"read.$": "States.StringToJson($.Body)"},
        ResultPath="$.result",
    )
    definition = machine(
        each={
            "Type": "Map",
            "ItemsPath": "$.items",
            "MaxConcurrency": 2,
            "ItemSelector": {"item.$": "$$.Map.Item.Value", "all.$": "$.items[0].x"},
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **machine(read=read)},
        }
    )
    answer = output(run(definition, {"items": [{"x": "a"}, {"x": "b"}, {"x": "c"}]}))
    assert [found["result"]["read"]["n"] for found in answer] == [0, 1, 2]
    assert [found["item"]["x"] for found in answer] == ["a", "b", "c"]
    assert {found["all"] for found in answer} == {"a"}


def distributed(body: Json) -> Json:
    return machine(
        each={
            "Type": "Map",
            "ItemSelector": {
                "index.$": "$$.Map.Item.Index",
                "item.$": "$$.Map.Item.Value",
                "parent.$": "$$.Execution.Id",
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **body,
            },
        }
    )


def test_distributed_map(run: Run) -> None:
    parameters = {"n.$": "$.index", "same.$": "States.Array($.parent, $$.Execution.Id)"}
    each = {"Type": "Pass", "Parameters": parameters}
    execution = run(distributed(machine(each=each)), [{"x": n} for n in range(300)])
    answer = output(execution)
    assert [found["n"] for found in answer] == list(range(300))
    assert {found["same"][0] for found in answer} == {execution["executionArn"]}
    assert len({found["same"][1] for found in answer}) == 300


def test_a_failed_item_fails_a_distributed_map(run: Run) -> None:
    execution = run(distributed(failing("each")), [1, 2])
    assert failure(execution) == "States.ExceedToleratedFailureThreshold"
