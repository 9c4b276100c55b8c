"""The network with and without NAT, made by moto's CloudFormation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Deploy = Callable[..., dict[str, str]]

# https://docs.aws.amazon.com/mwaa/latest/userguide/vpc-vpe-create-access.html
MWAA_CALLS = {"s3", "monitoring", "logs", "sqs", "kms"}


def endpoints() -> dict[str, dict[str, Any]]:
    found = boto3.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    return {one["ServiceName"].removeprefix("com.amazonaws.eu-central-1."): one for one in found}


def default_routes() -> list[dict[str, Any]]:
    tables = boto3.client("ec2").describe_route_tables()["RouteTables"]
    routes = [route for table in tables for route in table["Routes"]]
    return [one for one in routes if one.get("DestinationCidrBlock") == "0.0.0.0/0"]


@pytest.mark.parametrize(("nat", "gateways"), [("two", 2), ("one", 1)])
def test_each_private_subnet_has_a_way_out(deploy: Deploy, nat: str, gateways: int) -> None:
    deploy("network", Nat=nat)
    ec2 = boto3.client("ec2")
    assert len(ec2.describe_nat_gateways()["NatGateways"]) == gateways
    ways = [route["NatGatewayId"] for route in default_routes() if "NatGatewayId" in route]
    assert len(ways) == 2
    assert len(set(ways)) == gateways
    assert set(endpoints()) == {"s3"}


def test_without_nat_nothing_leads_to_the_internet(deploy: Deploy) -> None:
    made = deploy("network", Nat="none")
    ec2 = boto3.client("ec2")
    assert ec2.describe_nat_gateways()["NatGateways"] == []
    own = [{"Name": "attachment.vpc-id", "Values": [made["VpcId"]]}]
    assert ec2.describe_internet_gateways(Filters=own)["InternetGateways"] == []
    assert default_routes() == []


def test_without_nat_endpoints_lead_to_what_is_called(deploy: Deploy) -> None:
    made = deploy("network", Nat="none")
    found = endpoints()
    pipelines = {"sagemaker.api", "glue", "emr-serverless", "secretsmanager", "sns"}
    assert set(found) == {
        *MWAA_CALLS,
        "airflow.env",
        *pipelines,
    }
    assert found.pop("s3")["VpcEndpointType"] == "Gateway"
    for service, endpoint in found.items():
        assert endpoint["PrivateDnsEnabled"] is True, service
        assert endpoint["SubnetIds"] == made["SubnetIds"].split(","), service


def test_the_services_of_the_pipelines_can_be_chosen(deploy: Deploy) -> None:
    deploy("network", Nat="none", ReachGlue="false", ReachStepFunctions="true", ReachLambda="true")
    found = set(endpoints())
    assert {"states", "lambda"} <= found
    assert "glue" not in found


def test_a_private_web_server_is_reached_by_an_endpoint(deploy: Deploy) -> None:
    deploy("network", Nat="one", PrivateApi="true")
    assert set(endpoints()) == {"s3", "airflow.env"}


def test_the_subnets_lie_in_two_zones(deploy: Deploy) -> None:
    made = deploy("network")
    found = boto3.client("ec2").describe_subnets(SubnetIds=made["SubnetIds"].split(","))["Subnets"]
    assert len({one["AvailabilityZone"] for one in found}) == 2


def test_the_environment_is_reached_by_itself_alone(deploy: Deploy) -> None:
    made = deploy("network")
    group = made["SecurityGroupId"]
    (found,) = boto3.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert sorted(one["FromPort"] for one in found["IpPermissions"]) == [443, 5432]
    for permission in found["IpPermissions"]:
        assert permission["IpRanges"] == []
        assert [one["GroupId"] for one in permission["UserIdGroupPairs"]] == [group]
