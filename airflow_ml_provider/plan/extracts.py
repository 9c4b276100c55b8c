"""An extract of rows, and the processing job that reads them where no worker does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.values import Run
from airflow_ml_provider.plan.nodes import Extract
from airflow_ml_provider.plan.place import merged, present
from airflow_ml_provider.plan.sagemaker import vpc

if TYPE_CHECKING:
    from airflow_ml_provider.pipeline.data_steps import SqlExtract
    from airflow_ml_provider.plan.nodes import Json
    from airflow_ml_provider.plan.place import Place

RUN_PARAMETERS = {
    "run_date": Run.DATE,
    "data_interval_start": Run.INTERVAL_START,
    "data_interval_end": Run.INTERVAL_END,
}
"""What the run brings to every query."""
_VOLUME_GB = 30


def extract(
    step: SqlExtract,
    place: Place,
    *,
    query: str | None,
    on_empty: str,
    after: tuple[str, ...] = (),
) -> Extract:
    """Give the extract node of a step; ``query`` is the SQL itself."""
    return Extract(
        name=step.name,
        after=after,
        conn_id=step.conn_id,
        query=query,
        table=step.table,
        parameters={**RUN_PARAMETERS, **step.parameters},
        columns=dict(step.columns),
        output=place.output(step.name, "output"),
        on_empty=on_empty,
        retry=step.retries,
        timeout_seconds=step.timeout_seconds,
        job=_job(step, place),
        requirements=tuple(step.requirements),
    )


def _job(step: SqlExtract, place: Place) -> Json:
    machines = {
        "InstanceType": step.instance_type,
        "InstanceCount": 1,
        "VolumeSizeInGB": _VOLUME_GB,
    }
    request = {
        "RoleArn": place.role(step.role_arn),
        **present(AppSpecification=present(ImageUri=step.image_uri)),
        "ProcessingResources": {"ClusterConfig": machines},
        "StoppingCondition": {"MaxRuntimeInSeconds": step.timeout_seconds},
        **present(NetworkConfig=present(VpcConfig=vpc(place)), Tags=place.tag_list()),
    }
    return merged(request, step.overrides)
