"""AWS calls as Step Functions makes them: its spelling of requests, answers and errors.

Fields are spelled in PascalCase whatever the API does:
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html

Names of errors are those of the Java SDKs that make the calls. An optimised integration has the
exceptions of version 1 (``SageMaker.ResourceInUseException``; what the service's model doesn't
name is its general one, ``SageMaker.AmazonSageMakerException``), an ``aws-sdk`` integration
those of version 2 (``S3.NoSuchKeyException``, ``SageMaker.SageMakerException``):
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ParamValidationError
from botocore.response import StreamingBody

from airflow_ml_provider.local.protocol import service_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.exceptions import ClientError
    from botocore.model import Shape

    from airflow_ml_provider.local.protocol import Json

# The service's prefix, and its general exception, in version 1 of the Java SDK.
_OPTIMISED = {
    "sagemaker": ("SageMaker", "AmazonSageMakerException"),
    "glue": ("Glue", "AWSGlueException"),
    "emr-serverless": ("EMRServerless", "AWSEMRServerlessException"),
    "stepfunctions": ("StepFunctions", "AWSStepFunctionsException"),
}
# Names of ``aws-sdk`` integrations that botocore spells otherwise.
_SDK_NAMES = {
    "states": "stepfunctions",
    "sfn": "stepfunctions",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "elasticsearch": "es",
}


@cache
def boto_service(name: str) -> str:
    """Return botocore's name of a service, such as ``emr-serverless`` for ``emrserverless``."""
    services = botocore.session.get_session().get_available_services()
    by_name = {service.replace("-", ""): service for service in services}
    return _SDK_NAMES.get(name) or by_name.get(name.replace("-", ""), name)


def operation_of(action: str) -> str:
    """Return the API's operation of a resource's action, such as ``startJobRun``."""
    return action[:1].upper() + action[1:]


def call(client: Any, action: str, parameters: Json, *, time: Callable[[datetime], Any]) -> Json:
    """Make one call, and return its answer as Step Functions spells it.

    Args:
        client: the service's boto3 client.
        action: such as ``createTrainingJob``.
        parameters: the state's parameters, in PascalCase.
        time: how a time is written: ``iso`` or ``milliseconds``.

    """
    model = client.meta.service_model.operation_model(operation_of(action))
    request = _request(model.input_shape, parameters) if model.input_shape else {}
    try:
        answer = getattr(client, xform_name(model.name))(**request)
    except ParamValidationError as error:
        raise ValueError(
            f"The Parameters '{json.dumps(parameters)}' could not be used to start the Task: "
            f"[{error.kwargs['report']}]"
        ) from error
    answer.pop("ResponseMetadata", None)
    return dict(spelled(model.output_shape, answer, time)) if model.output_shape else {}


def iso(at: datetime) -> str:
    """Write a time as ``aws-sdk`` integrations do."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(at: datetime) -> int:
    """Write a time as optimised integrations do."""
    return round(at.timestamp() * 1000)


def spelled(shape: Shape, value: Any, time: Callable[[datetime], Any]) -> Any:
    """Return an answer's value as Step Functions spells it."""
    if isinstance(value, StreamingBody):
        value = value.read()
    if isinstance(value, datetime):
        return time(value)
    if shape.type_name == "structure":
        members = shape.members
        return {operation_of(k): spelled(members[k], v, time) for k, v in value.items()}
    if shape.type_name == "list":
        return [spelled(shape.member, item, time) for item in value]
    if shape.type_name == "map":
        return {k: spelled(shape.value, v, time) for k, v in value.items()}
    return value.decode() if isinstance(value, bytes) else value


def _request(shape: Shape, value: Any) -> Any:
    if shape.type_name == "structure" and isinstance(value, dict):
        names = {operation_of(name): name for name in shape.members}
        known = {names.get(key, key): item for key, item in value.items()}
        members = shape.members
        return {k: _request(members[k], v) if k in members else v for k, v in known.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_request(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {k: _request(shape.value, v) for k, v in value.items()}
    if shape.type_name == "blob":
        return value if isinstance(value, (str, bytes)) else json.dumps(value)
    return value


def optimised_error(service: str, error: ClientError) -> tuple[str, str]:
    """Return (error, cause) of a refused call of an optimised integration."""
    prefix, general = _OPTIMISED[service]
    name = _modelled(service, error) or general
    details = error.response["Error"], error.response["ResponseMetadata"]
    code, status = details[0].get("Code", ""), details[1].get("HTTPStatusCode")
    request_id = details[1].get("RequestId")
    told = f"Status Code: {status}; Error Code: {code}; Request ID: {request_id}; Proxy: null"
    product = general.removesuffix("Exception")
    return f"{prefix}.{name}", f"{_message(error)} (Service: {product}; {told})"


def sdk_error(service: str, error: ClientError) -> tuple[str, str]:
    """Return (error, cause) of a refused call of an ``aws-sdk`` integration."""
    prefix = _java_name(service_model(service).metadata["serviceId"])
    name = _modelled(service, error) or f"{prefix}Exception"
    metadata = error.response["ResponseMetadata"]
    told = f"Status Code: {metadata.get('HTTPStatusCode')}, Request ID: {metadata.get('RequestId')}"
    return f"{prefix}.{name}", f"{_message(error)} (Service: {prefix}, {told})"


def _message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", ""))


def _modelled(service: str, error: ClientError) -> str | None:
    code, operation = error.response["Error"].get("Code", ""), error.operation_name
    model = service_model(service)
    if operation not in model.operation_names:  # that of a managed rule
        return None
    for shape in model.operation_model(operation).error_shapes:
        if code in (shape.name, shape.error_code):
            return str(shape.name).removesuffix("Exception") + "Exception"
    return None


def _java_name(service_id: str) -> str:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", service_id.removesuffix(" Service"))
    return "".join(word[:1].upper() + word[1:].lower() for word in words)
