"""All of it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Deploy = Callable[..., dict[str, str]]
    Holds = Callable[[Any, dict[str, str]], bool]


def test_one_stack_makes_all(deploy: Deploy, asked: list[dict[str, Any]]) -> None:
    made = deploy("main", WebserverAccessMode="PUBLIC_ONLY")
    (environment,) = asked
    assert environment["SourceBucketArn"] == f"arn:aws:s3:::{made['SourceBucketName']}"
    assert environment["ExecutionRoleArn"].endswith(f"/{made['ExecutionRoleName']}")
    options = environment["AirflowConfigurationOptions"]
    assert options["airflow_ml_provider.role_arn"] == made["JobRoleArn"]
    assert options["airflow_ml_provider.root"] == f"s3://{made['DataBucketName']}/ml"
    assert boto3.client("lambda").list_functions()["Functions"] == []


@pytest.mark.parametrize("nat", ["two", "one", "none"])
@pytest.mark.parametrize("mode", ["PUBLIC_ONLY", "PRIVATE_ONLY", "PUBLIC_AND_PRIVATE"])
def test_without_nat_the_web_server_must_be_within_reach(
    templates: dict[str, Any], holds: Holds, nat: str, mode: str
) -> None:
    (assertion,) = templates["main"]["Rules"]["WebserverWithinReach"]["Assertions"]
    lost = (nat, mode) == ("none", "PUBLIC_ONLY")
    assert holds(assertion["Assert"], {"Nat": nat, "WebserverAccessMode": mode}) is not lost


def test_a_private_trigger_runs_in_the_network(deploy: Deploy, asked: list[dict[str, Any]]) -> None:
    deploy("main", WebserverAccessMode="PRIVATE_ONLY", Nat="one", TriggerDagId="flights")
    (environment,) = asked
    (function,) = boto3.client("lambda").list_functions()["Functions"]
    network = environment["NetworkConfiguration"]
    assert function["VpcConfig"]["SubnetIds"] == network["SubnetIds"]
    assert function["VpcConfig"]["SecurityGroupIds"] == network["SecurityGroupIds"]
    endpoints = boto3.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    assert any(one["ServiceName"].endswith(".airflow.env") for one in endpoints)
