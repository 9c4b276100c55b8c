"""The templates, and a CloudFormation that knows what moto's does not: MWAA and some others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from cfnlint.decode.cfn_yaml import load
from moto import mock_aws
from moto.cloudformation import parsing
from moto.iam.aws_managed_policies import aws_managed_policies_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.model import Shape

    Deploy = Callable[..., dict[str, str]]
    Holds = Callable[[Any, dict[str, str]], bool]
    # The properties of a resource and a name for it; its own name and its attributes.
    Make = Callable[[dict[str, Any], str], tuple[str, dict[str, str]]]

FOLDER = Path(__file__).parents[3] / "mwaa/cloudformation"
REGION = "eu-central-1"
# https://docs.aws.amazon.com/mwaa/latest/userguide/environment-class.html
CLASSES = ["mw1.micro", "mw1.small", "mw1.medium", "mw1.large", "mw1.xlarge", "mw1.2xlarge"]


@pytest.fixture(scope="session")
def templates() -> dict[str, Any]:
    return {path.stem: load(str(path)) for path in sorted(FOLDER.glob("*.yaml"))}


@pytest.fixture
def classes() -> list[str]:
    return CLASSES


@pytest.fixture(params=CLASSES)
def size(request: pytest.FixtureRequest) -> str:
    """Each class of environments in its turn."""
    return str(request.param)


@pytest.fixture
def holds() -> Holds:
    return _holds


def _holds(rule: Any, given: dict[str, str]) -> bool:
    """Evaluate a rule-specific function of CloudFormation."""
    ((function, arguments),) = rule.items()
    if function == "Fn::Or":
        return any(_holds(one, given) for one in arguments)
    if function == "Fn::And":
        return all(_holds(one, given) for one in arguments)
    if function == "Fn::Not":
        return not _holds(arguments[0], given)
    assert function == "Fn::Equals"
    left, right = (given[one["Ref"]] if isinstance(one, dict) else one for one in arguments)
    return bool(left == right)


@pytest.fixture
def asked() -> list[dict[str, Any]]:
    """The environments that were asked for."""
    return []


@pytest.fixture
def deploy(
    monkeypatch: pytest.MonkeyPatch, templates: dict[str, Any], asked: list[dict[str, Any]]
) -> Iterator[Deploy]:
    """Deploy a template, by its file's name or its text; the stack's outputs are answered."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)

    def one(template: str, **parameters: str) -> dict[str, str]:
        is_text = template.startswith("{")
        name = "pipeline" if is_text else template
        client = boto3.client("cloudformation")
        client.create_stack(
            StackName=name,
            TemplateBody=template if is_text else json.dumps(templates[name]),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )
        (made,) = client.describe_stacks(StackName=name)["Stacks"]
        assert made["StackStatus"] == "CREATE_COMPLETE"
        return {each["OutputKey"]: each["OutputValue"] for each in made.get("Outputs", [])}

    def nested(properties: dict[str, Any], name: str) -> tuple[str, dict[str, str]]:
        given = {key: str(value) for key, value in properties["Parameters"].items()}
        outputs = one(Path(properties["TemplateURL"]).stem, **given)
        return name, {f"Outputs.{key}": value for key, value in outputs.items()}

    def environment(properties: dict[str, Any], _name: str) -> tuple[str, dict[str, str]]:
        asked.append(typed(properties))
        name = properties["Name"]
        arn = f"arn:aws:airflow:{REGION}:123456789012:environment/{name}"
        return name, {"Arn": arn, "WebserverUrl": "abc.airflow.example.com"}

    for kind, make in (
        ("AWS::CloudFormation::Stack", nested),
        ("AWS::CloudWatch::Alarm", alarm),
        ("AWS::IAM::Role", role),
        ("AWS::MWAA::Environment", environment),
        ("AWS::S3::Bucket", bucket),
        ("AWS::S3::BucketPolicy", bucket_policy),
        ("AWS::SQS::QueuePolicy", queue_policy),
    ):
        monkeypatch.setitem(parsing.get_model_map(), kind, model(kind, make))
    with mock_aws():
        yield one


def model(kind: str, make: Make) -> type[Any]:
    """Give the model, as moto's CloudFormation wants it, of resources that ``make`` makes."""

    class Made:
        type = kind

        def __init__(self, physical_resource_id: str, attributes: dict[str, str]) -> None:
            self.physical_resource_id = physical_resource_id
            self.attributes = attributes

        @staticmethod
        def has_cfn_attr(_attribute: str) -> bool:
            return True

        def get_cfn_attribute(self, attribute: str) -> str:
            return self.attributes[attribute]

        @staticmethod
        def is_created() -> bool:
            return True

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: dict[str, Any], *_: Any, **__: Any
        ) -> Made:
            return cls(*make(cloudformation_json["Properties"], resource_name))

    return Made


def alarm(properties: dict[str, Any], name: str) -> tuple[str, dict[str, str]]:
    numbers = {key: int(properties[key]) for key in ("Period", "EvaluationPeriods", "Threshold")}
    boto3.client("cloudwatch").put_metric_alarm(AlarmName=name, **{**properties, **numbers})
    return name, {}


def role(properties: dict[str, Any], name: str) -> tuple[str, dict[str, str]]:
    iam = boto3.client("iam")
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    for policy in properties.get("Policies", []):
        # AWS::NoValue
        statements = [one for one in policy["PolicyDocument"]["Statement"] if one]
        document = json.dumps({**policy["PolicyDocument"], "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    for arn in properties.get("ManagedPolicyArns", []):
        if ":iam::aws:policy/" in arn:
            assert f'"{arn.rpartition("/")[2]}"' in aws_managed_policies_data
        else:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    return name, {"Arn": made["Role"]["Arn"]}


def bucket(properties: dict[str, Any], name: str) -> tuple[str, dict[str, str]]:
    s3, made = boto3.client("s3"), name.lower()
    s3.create_bucket(Bucket=made, CreateBucketConfiguration={"LocationConstraint": REGION})
    for put, key in (
        (s3.put_bucket_versioning, "VersioningConfiguration"),
        (s3.put_public_access_block, "PublicAccessBlockConfiguration"),
        (s3.put_bucket_ownership_controls, "OwnershipControls"),
    ):
        put(Bucket=made, **{key: properties[key]})
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    default = {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
    encryption = {"Rules": [default]}
    s3.put_bucket_encryption(Bucket=made, ServerSideEncryptionConfiguration=encryption)
    return made, {"Arn": f"arn:aws:s3:::{made}"}


def bucket_policy(properties: dict[str, Any], name: str) -> tuple[str, dict[str, str]]:
    policy = json.dumps(properties["PolicyDocument"])
    boto3.client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=policy)
    return name, {}


def queue_policy(properties: dict[str, Any], name: str) -> tuple[str, dict[str, str]]:
    policy = json.dumps(properties["PolicyDocument"])
    for url in properties["Queues"]:
        boto3.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return name, {}


def typed(properties: dict[str, Any]) -> dict[str, Any]:
    """Give the properties with the types of MWAA's API, if that takes them."""
    service = get_session().get_service_model("mwaa")
    create = service.operation_model("CreateEnvironment").input_shape
    update = service.operation_model("UpdateEnvironment").input_shape
    known: dict[str, Shape] = {**update.members, **create.members}
    # CloudFormation turns texts into numbers where the schema has numbers; moto does not.
    found = {
        name: int(value) if known[name].type_name == "integer" else value
        for name, value in properties.items()
    }
    created = {key: value for key, value in found.items() if key in create.members}
    report = ParamValidator().validate(created, create)
    assert not report.has_errors(), report.generate_report()
    assert set(found) - set(created) <= {"WorkerReplacementStrategy"}
    return found
