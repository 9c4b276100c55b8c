"""UpdateJob of Glue, which moto lacks: it overwrites the whole definition.

https://docs.aws.amazon.com/glue/latest/webapi/API_UpdateJob.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    """Return UpdateJob."""
    return {("glue", "UpdateJob"): _update}


def _update(call: Call) -> Json:
    name, update = call.params["JobName"], call.params["JobUpdate"]
    job = glue_backends[call.identity.account][call.identity.region].jobs.get(name)
    if job is None:
        raise AwsError("EntityNotFoundException", f"Job {name} not found.")
    for field in service_model("glue").shape_for("JobUpdate").members:
        setattr(job, xform_name(field), update.get(field, _DEFAULTS.get(field)))
    job.last_modified_on = now()
    return {"JobName": name}
