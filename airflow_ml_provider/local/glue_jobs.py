"""CreateJob and UpdateJob of Glue: moto creates over what is there, and has no update.

https://docs.aws.amazon.com/glue/latest/webapi/API_UpdateJob.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore import xform_name
from moto.glue.models import glue_backends

from airflow_ml_provider.local.protocol import AwsError, Call, Json, Operations, service_model
from airflow_ml_provider.local.store import now

if TYPE_CHECKING:
    from airflow_ml_provider.local.cloud import Cloud

PYTHON_SHELL = "pythonshell"
_SHELL_CAPACITIES = (0.0625, 1)
_DEFAULTS: Json = {
    "ExecutionProperty": {},
    "DefaultArguments": {},
    "ExecutionClass": "STANDARD",
}


def operations(cloud: Cloud) -> Operations:  # noqa: ARG001 - what the registry passes
    """Return CreateJob and UpdateJob."""
    return {("glue", "CreateJob"): _create, ("glue", "UpdateJob"): _update}


def _create(call: Call) -> Json:
    name = call.params["Name"]
    if _find(call, name) is not None:
        raise AwsError("AlreadyExistsException", f"Job {name} already exists.")
    check_size(call.params["Command"], call.params)
    return call.forward()


def check_size(command: Json, request: Json) -> None:
    """Refuse a size that a definition's or a run's command can't have.

    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html

    Raises:
        AwsError: as Glue does.

    """
    capacity = request.get("MaxCapacity")
    if capacity is None:
        return
    refused = ""
    if request.get("WorkerType") or request.get("NumberOfWorkers"):
        refused = "Please do not set Max Capacity if using Worker Type and Number of Workers."
    elif command.get("Name") == PYTHON_SHELL and capacity not in _SHELL_CAPACITIES:
        refused = f"Max Capacity of a Python shell job must be 0.0625 or 1, not {capacity}."
    if refused:
        raise AwsError("InvalidInputException", refused)


def _find(call: Call, name: str) -> Any:
    return glue_backends[call.identity.account][call.identity.region].jobs.get(name)


def _update(call: Call) -> Json:
    """Overwrite the whole definition."""
    name, update = call.params["JobName"], call.params["JobUpdate"]
    job = _find(call, name)
    if job is None:
        raise AwsError("EntityNotFoundException", f"Job {name} not found.")
    check_size(update.get("Command", {}), update)
    for field in service_model("glue").shape_for("JobUpdate").members:
        setattr(job, xform_name(field), update.get(field, _DEFAULTS.get(field)))
    job.last_modified_on = now()
    return {"JobName": name}
