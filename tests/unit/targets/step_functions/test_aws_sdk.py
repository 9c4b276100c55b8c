from __future__ import annotations

import botocore.session
import pytest
from botocore import xform_name

from airflow_ml_provider.pipeline import Run
from airflow_ml_provider.targets.step_functions.aws_sdk import (
    error_prefix,
    fields,
    pascal,
    resource,
)


@pytest.mark.parametrize(
    ("service", "action", "expected"),
    [
        ("sagemaker", "create_model_package", "sagemaker:createModelPackage"),
        ("events", "put_events", "eventbridge:putEvents"),
        ("emr-serverless", "start_application", "emrserverless:startApplication"),
        ("rds", "describe_db_instances", "rds:describeDBInstances"),
        ("s3", "list_objects_v2", "s3:listObjectsV2"),
        ("config", "put_config_rule", "config:putConfigRule"),
        ("cognito-idp", "admin_get_user", "cognitoidentityprovider:adminGetUser"),
        ("dms", "start_replication_task", "databasemigration:startReplicationTask"),
        ("es", "describe_packages", "elasticsearch:describePackages"),
        ("stepfunctions", "start_execution", "sfn:startExecution"),
    ],
)
def test_resources(service, action, expected):
    assert resource(service, action) == f"arn:aws:states:::aws-sdk:{expected}"


@pytest.mark.parametrize(
    "service",
    [
        "athena", "batch", "dynamodb", "ecs", "emr", "events", "glue", "lakeformation", "lambda",
        "logs", "rds", "s3", "sagemaker", "secretsmanager", "sns", "sqs", "ssm", "stepfunctions",
    ],
)  # fmt: skip
def test_names_are_those_of_the_service_model(service):
    model = botocore.session.get_session().get_service_model(service)
    identifier = model.service_id.lower().replace(" ", "")
    odd = [
        operation
        for operation in model.operation_names
        if pascal(service, xform_name(operation)) != operation
    ]
    assert resource(service, "x") == f"arn:aws:states:::aws-sdk:{identifier}:x"
    # A handful of rare ones have acronyms that no table of words can give back.
    assert len(odd) <= 2, odd


@pytest.mark.parametrize(
    ("service", "prefix"),
    [
        ("s3", "S3"),
        ("sns", "Sns"),
        ("sagemaker", "SageMaker"),
        ("emr-serverless", "EmrServerless"),
        ("dynamodb", "DynamoDb"),
        ("dms", "DatabaseMigration"),
        ("sagemaker-runtime", "SageMakerRuntime"),
        ("fsx", "FSx"),
    ],
)
def test_error_prefixes(service, prefix):
    assert error_prefix(service) == prefix


def test_fields_are_pascal_case_but_not_the_keys_of_maps():
    request = {
        "jobDriver": {"sparkSubmit": {"entryPointArguments": ["a", Run.ID]}},
        "tags": {"team": "ml"},
        "applicationConfiguration": [{"properties": {"spark.x": "1"}}],
    }
    assert fields(request) == {
        "JobDriver": {"SparkSubmit": {"EntryPointArguments": ["a", Run.ID]}},
        "Tags": {"team": "ml"},
        "ApplicationConfiguration": [{"Properties": {"spark.x": "1"}}],
    }


def test_a_request_in_pascal_case_is_left_as_it_is():
    request = {"MessageAttributes": {"kind": {"DataType": "String"}}}
    assert fields(request) == request
