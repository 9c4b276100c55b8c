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
    return call.forward()


def _find(call: Call, name: str) -> Any:
    return glue_backends[call.identity.account][call.identity.region].jobs.get(name)


def _update(call: Call) -> Json:
    """Overwrite the whole definition."""
    name, update = call.params["JobName"], call.params["JobUpdate"]
    job = _find(call, name)
    if job is None:
        raise AwsError("EntityNotFoundException", f"Job {name} not found.")
    for field in service_model("glue").shape_for("JobUpdate").members:
        setattr(job, xform_name(field), update.get(field, _DEFAULTS.get(field)))
    job.last_modified_on = now()
    return {"JobName": name}
