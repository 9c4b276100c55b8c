"""Executions of SageMaker pipelines, and what they are given."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from pipeline_definitions import (
    FOREVER,
    Client,
    Json,
    Make,
    at_least,
    condition,
    definition,
    fail,
    get,
    join,
    report_value,
    statuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_stop(
    *,
    client: Client,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    until: Callable[..., None],
    messages: Callable[..., list[str]],
) -> None:
    create(definition(processing("long", FOREVER), processing("next", DependsOn=["long"])))
    arn = start()
    sagemaker = client("sagemaker")
    until(lambda: "ProcessingJob" in steps(arn).get("long", {}).get("Metadata", {}))
    job = steps(arn)["long"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    # The group is there from the first job on.
    until(
        lambda: (
            "ProcessingStartTime" in sagemaker.describe_processing_job(ProcessingJobName=job)
            and "up" in messages("/aws/sagemaker/ProcessingJobs", job)
        )
    )
    with pytest.raises(ClientError) as error:
        sagemaker.delete_pipeline(
            PipelineName=arn.split("/")[1], ClientRequestToken=uuid.uuid4().hex
        )
    assert error.value.response["Error"]["Code"] == "ConflictException"
    for _ in range(2):
        sagemaker.stop_pipeline_execution(
            PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex
        )
    assert ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert statuses(steps(arn)) == {"long": "Stopped"}
    described = sagemaker.describe_processing_job(ProcessingJobName=job)
    assert described["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="Stopped"):
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)


def test_what_an_execution_knows_of_itself(
    *,
    client: Client,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
    put: Callable[..., str],
) -> None:
    variables = ("PipelineName", "PipelineExecutionId", "PipelineExecutionArn")
    said = {"Std:Join": {"On": " ", "Values": [get(f"Execution.{name}") for name in variables]}}
    uri = join(put("report.json", '{"auc": 0.5}').removesuffix("json"), "json")
    auc = {"Std:JsonGet": {"S3Uri": uri, "Path": "auc"}}
    content = definition(condition("gate", [at_least(auc, 0.5)], [fail("tell", said)], []))
    name = create(content)
    arn = start()
    ended(arn)
    assert steps(arn)["tell"]["FailureReason"] == f"{name} {arn.rpartition('/')[2]} {arn}"
    sagemaker = client("sagemaker")
    sagemaker.update_pipeline(
        PipelineName=name, PipelineDefinition=json.dumps(definition(fail("other", "")))
    )
    run = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert json.loads(run["PipelineDefinition"]) == content
    sagemaker.update_pipeline_execution(
        PipelineExecutionArn=arn, PipelineExecutionDescription="looked at"
    )
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    assert described["PipelineExecutionDescription"] == "looked at"
    with pytest.raises(ClientError) as error:
        sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn + "x")
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_token_starts_one_execution(
    *, client: Client, create: Callable[..., str], start: Callable[..., str], name: str
) -> None:
    create(definition(condition("gate", [at_least(1, 0)], [], []), day=str))
    token = uuid.uuid4().hex
    with ThreadPoolExecutor(4) as pool:
        arns = set(pool.map(lambda _: start(token, day="1"), range(4)))
    assert len(arns) == 1
    assert arns != {start(day="1")}
    with pytest.raises(ClientError):
        start(token, day="2")
    sagemaker = client("sagemaker")
    listed = sagemaker.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]
    assert len(listed) == 2
    newest = [item["PipelineExecutionArn"] for item in listed]
    oldest = sagemaker.get_paginator("list_pipeline_executions").paginate(
        PipelineName=name, SortOrder="Ascending", PaginationConfig={"PageSize": 1}
    )
    pages = [page["PipelineExecutionSummaries"] for page in oldest]
    assert [page[0]["PipelineExecutionArn"] for page in pages] == newest[::-1]
    # boto3 sends times in whole seconds.
    later = listed[0]["StartTime"] + timedelta(seconds=2)
    for bound, count in (("CreatedAfter", 0), ("CreatedBefore", 2)):
        found = sagemaker.list_pipeline_executions(PipelineName=name, **{bound: later})
        assert len(found["PipelineExecutionSummaries"]) == count


def test_parameters_are_checked(
    *, client: Client, create: Callable[..., str], start: Callable[..., str]
) -> None:
    create(definition(condition("gate", [at_least(1, 0)], [], []), day=str, depth=6))
    with pytest.raises(ClientError) as error:
        start(depth="deep", colour="red")
    assert error.value.response["Error"]["Code"] == "ValidationException"
    for word in ("colour", "deep", "day"):
        assert word in str(error.value)
    with pytest.raises(ClientError) as error:
        client("sagemaker").start_pipeline_execution(PipelineName="no-such-pipeline")
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_cached_step_is_taken_over(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    cached = processing("cached", CacheConfig={"Enabled": True, "ExpireAfter": "P1D"})
    cached["Arguments"]["Environment"] = {"DAY": get("Parameters.day")}
    create(definition(cached, day=str))
    first = start(day="1")
    assert ended(first)["PipelineExecutionStatus"] == "Succeeded"
    again, other = start(day="1"), start(day="2")
    assert ended(again)["PipelineExecutionStatus"] == "Succeeded"
    assert ended(other)["PipelineExecutionStatus"] == "Succeeded"
    hit = steps(again)["cached"]
    assert hit["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    assert hit["Metadata"] == steps(first)["cached"]["Metadata"]
    assert "CacheHitResult" not in steps(other)["cached"]


def test_the_limit_of_steps_at_once(
    *,
    processing: Make,
    create: Callable[..., str],
    start: Callable[..., str],
    ended: Callable[[str], Json],
    steps: Callable[[str], dict[str, Json]],
) -> None:
    made = [processing(f"p{n}") for n in range(3)]
    create(definition(*made), ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    found = list(steps(arn).values())
    assert len(found) == 3
    assert all(a["EndTime"] <= b["StartTime"] for a, b in pairwise(found))


def test_definitions_are_checked(
    *, client: Client, create: Callable[..., str], name: str, role_arn: str, put: Callable[..., str]
) -> None:
    gate = condition(
        "gate",
        [at_least(get("Parameters.nothing"), report_value("gate", "x"))],
        [fail("twice", "a"), fail("odd", get("Steps.absent.ModelName"))],
        [fail("twice", "b")],
    )
    circle = [fail("a", "", DependsOn=["b"]), fail("b", "", DependsOn=["a"])]
    bad = definition(gate, *circle, {"Name": "odd one", "Type": "Fail"}, {"Name": "x", "Type": "X"})
    bad["Version"] = "2019-01-01"
    with pytest.raises(ClientError) as error:
        create(bad)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    message = str(error.value)
    for words in ("2019-01-01", "'twice'", "'nothing'", "'absent'", "cycle", "'odd one'", "'X'"):
        assert words in message, words
    sagemaker = client("sagemaker")
    with pytest.raises(ClientError) as error:
        sagemaker.describe_pipeline(PipelineName=name)
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"
    with pytest.raises(ClientError, match="should be provided"):
        sagemaker.create_pipeline(PipelineName=name, RoleArn=role_arn)

    good = definition(condition("gate", [at_least(1, 0)], [], []))
    place = put("definition.json", json.dumps(good)).removeprefix("s3://")
    bucket, _, key = place.partition("/")
    request = {
        "PipelineName": name,
        "RoleArn": role_arn,
        "PipelineDefinitionS3Location": {"Bucket": bucket, "ObjectKey": key},
        "ClientRequestToken": uuid.uuid4().hex,
        "Tags": [{"Key": "team", "Value": "ml"}],
    }
    arns = {sagemaker.create_pipeline(**request)["PipelineArn"] for _ in range(2)}
    assert len(arns) == 1
    assert sagemaker.list_tags(ResourceArn=arns.pop())["Tags"] == request["Tags"]
    with pytest.raises(ClientError, match=r"ValidationException.*already exists"):
        create(good)
    described = sagemaker.describe_pipeline(PipelineName=name)
    assert json.loads(described["PipelineDefinition"]) == good
    assert described["PipelineStatus"] == "Active"
    sagemaker.update_pipeline(PipelineName=name, PipelineDescription="new")
    assert sagemaker.describe_pipeline(PipelineName=name)["PipelineDescription"] == "new"
    listed = sagemaker.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"]
    assert [item["PipelineName"] for item in listed] == [name]
    sagemaker.delete_pipeline(PipelineName=name)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_pipeline(PipelineName=name)
