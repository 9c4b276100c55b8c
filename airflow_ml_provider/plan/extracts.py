"""An extract of rows, and the processing job that reads them where no worker does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.extract_options import RUN_PARAMETERS
from airflow_ml_provider.pipeline.values import History, Run
from airflow_ml_provider.plan.nodes import Extract
from airflow_ml_provider.plan.place import merged, present
from airflow_ml_provider.plan.sagemaker import vpc

if TYPE_CHECKING:
    from airflow_ml_provider.pipeline.data_steps import SqlExtract
    from airflow_ml_provider.plan.nodes import Json
    from airflow_ml_provider.plan.place import Place

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
        history=History(step.name),
        partitions=step.partitions,
        partition_by=step.partition_by,
        watermark=step.watermark,
        watermark_delay_seconds=step.watermark_delay_seconds,
        on_drift=step.on_drift,
        checks=tuple(check.to_dict() for check in step.checks),
        memory_mb=step.memory_mb,
        kms_key_id=place.account.kms_key_id,
        job=_job(step, place),
        requirements=tuple(step.requirements),
    )


def extract_work(node: Extract) -> dict[str, Any]:
    """Give what a job without Airflow has to do as JSON, in which values of the run are held."""
    defaults = {key: value for key, value in node.parameters.items() if key in RUN_PARAMETERS}
    return {
        "conn_id": node.conn_id,
        "query": node.query,
        "table": node.table,
        "parameters": {k: v for k, v in node.parameters.items() if k not in defaults},
        "defaults": defaults,
        "columns": dict(node.columns),
        "partitions": node.partitions,
        "partition_by": node.partition_by,
        "watermark": node.watermark,
        "watermark_delay_seconds": node.watermark_delay_seconds,
        "on_drift": node.on_drift,
        "checks": list(node.checks),
        "memory_mb": node.memory_mb,
        "history": node.history,
        "run_key": Run.KEY,
        "output": node.output,
        "on_empty": node.on_empty,
        "kms_key_id": node.kms_key_id,
        "requirements": list(node.requirements),
    }


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
