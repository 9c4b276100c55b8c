"""Tags of SageMaker's jobs; those of all other resources are moto's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.protocol import Call, Json, Operations
    from airflow_ml_provider.local.store import Job


def operations(cloud: Cloud) -> Operations:
    """Return ListTags, AddTags and DeleteTags."""
    return {
        ("sagemaker", "ListTags"): lambda call: _list(cloud, call),
        ("sagemaker", "AddTags"): lambda call: _add(cloud, call),
        ("sagemaker", "DeleteTags"): lambda call: _delete(cloud, call),
    }


def _job(cloud: Cloud, call: Call) -> Job | None:
    kind, _, name = call.params["ResourceArn"].rpartition(":")[2].partition("/")
    return cloud.store.find(kind, call.identity, name)


def _list(cloud: Cloud, call: Call) -> Json:
    job = _job(cloud, call)
    return {"Tags": job.tags} if job else call.forward()


def _add(cloud: Cloud, call: Call) -> Json:
    job = _job(cloud, call)
    if job is None:
        return call.forward()
    added = {tag["Key"]: tag for tag in call.params["Tags"]}
    job.tags = [tag for tag in job.tags if tag["Key"] not in added] + list(added.values())
    return {"Tags": job.tags}


def _delete(cloud: Cloud, call: Call) -> Json:
    job = _job(cloud, call)
    if job is None:
        return call.forward()
    job.tags = [tag for tag in job.tags if tag["Key"] not in call.params["TagKeys"]]
    return {}
