"""How Step Functions names what botocore names otherwise: services, actions, fields, errors.

https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
"""

from __future__ import annotations

from typing import Any

# Where the identifier is not boto3's name without its hyphens: both are in that page's table.
_SERVICES = {
    "ce": "costexplorer",
    "cognito-idp": "cognitoidentityprovider",
    "cur": "costandusagereport",
    "discovery": "applicationdiscovery",
    "dms": "databasemigration",
    "ds": "directory",
    "elb": "elasticloadbalancing",
    "elbv2": "elasticloadbalancingv2",
    "es": "elasticsearch",
    "events": "eventbridge",
    "iot-data": "iotdataplane",
    "iot-jobs-data": "iotjobsdataplane",
    "lex-models": "lexmodelbuilding",
    "lexv2-models": "lexmodelsv2",
    "lexv2-runtime": "lexruntimev2",
    "logs": "cloudwatchlogs",
    "meteringmarketplace": "marketplacemetering",
    "mgh": "migrationhub",
    "serverlessrepo": "serverlessapplicationrepository",
    "stepfunctions": "sfn",
}
# The errors' prefix where it is not boto3's name with capitals at its words.
_PREFIXES = {
    "apigateway": "ApiGateway",
    "ce": "CostExplorer",
    "cloudformation": "CloudFormation",
    "cloudwatch": "CloudWatch",
    "codebuild": "CodeBuild",
    "codepipeline": "CodePipeline",
    "cognito-idp": "CognitoIdentityProvider",
    "databrew": "DataBrew",
    "datasync": "DataSync",
    "dms": "DatabaseMigration",
    "dynamodb": "DynamoDb",
    "es": "Elasticsearch",
    "events": "EventBridge",
    "fsx": "FSx",
    "lakeformation": "LakeFormation",
    "logs": "CloudWatchLogs",
    "opensearch": "OpenSearch",
    "quicksight": "QuickSight",
    "sagemaker": "SageMaker",
    "sagemaker-a2i-runtime": "SageMakerA2IRuntime",
    "sagemaker-featurestore-runtime": "SageMakerFeatureStoreRuntime",
    "sagemaker-runtime": "SageMakerRuntime",
    "secretsmanager": "SecretsManager",
    "sesv2": "SesV2",
    "stepfunctions": "Sfn",
}
# botocore's method names have lost which words are acronyms.
_ACRONYMS = {
    "emr": {"ui": "UI", "url": "URL"},
    "glue": {"ml": "ML"},
    "iam": {"mfa": "MFA", "saml": "SAML", "ssh": "SSH", "id": "ID"},
    "lakeformation": {"lf": "LF", "saml": "SAML"},
    "quicksight": {"iam": "IAM", "vpc": "VPC"},
    "rds": {"db": "DB"},
    "sagemaker": {"ai": "AI", "ml": "ML"},
    "sns": {"sms": "SMS"},
}
# Fields whose value is a map: its keys are the user's own.
_MAPS = frozenset(
    {"environment", "labels", "metadata", "options", "parameters", "properties", "tags"}
)


def resource(service: str, action: str) -> str:
    """Give the ``Resource`` of a call: ``arn:aws:states:::aws-sdk:<service>:<action>``."""
    name = _SERVICES.get(service, service.replace("-", ""))
    operation = pascal(service, action)
    return f"arn:aws:states:::aws-sdk:{name}:{operation[:1].lower()}{operation[1:]}"


def pascal(service: str, action: str) -> str:
    """Give the API operation of a botocore method: ``create_model`` is ``CreateModel``."""
    acronyms = _ACRONYMS.get(service, {})
    return "".join(acronyms.get(word, word[:1].upper() + word[1:]) for word in action.split("_"))


def error_prefix(service: str) -> str:
    """Give what the names of the service's errors begin with: ``SageMaker``."""
    return _PREFIXES.get(service, "".join(word.capitalize() for word in service.split("-")))


def fields(request: Any) -> Any:
    """Copy a request with the names of its fields in PascalCase, as every integration wants them.

    Keys of maps, such as tags, stay as they are, and so does a request of a service whose own
    fields are spelled like that.
    """
    if any(key[:1].isupper() for key in request):
        return request
    return _capitalised(request)


def _capitalised(request: Any) -> Any:
    if isinstance(request, dict):
        return {
            key[:1].upper() + key[1:]: value if key in _MAPS else _capitalised(value)
            for key, value in request.items()
        }
    if isinstance(request, (list, tuple)):
        return [_capitalised(item) for item in request]
    return request
