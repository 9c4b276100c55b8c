"""Waiting for a dataset on S3: it is there once its manifest or Spark's marker is."""

from __future__ import annotations

from typing import Any

from airflow_ml_provider.jobs.one_by_one import OneByOne
from airflow_ml_provider.jobs.s3_uri import split_s3_uri
from airflow_ml_provider.jobs.state import JobState, Phase

MARKERS = ("_manifest.json", "_SUCCESS")


class DatasetPublished(OneByOne):
    """A job id is the S3 URI of the dataset's folder."""

    name = "dataset_published"
    service = "s3"
    actions = frozenset({"s3:ListBucket"})

    def state(self, client: Any, job_id: str) -> JobState:
        """List the marker files.

        A listing, not a look at each file: that would answer 403 for a missing one to a role
        without s3:ListBucket, and take two calls.
        """
        bucket, key = split_s3_uri(job_id)
        folder = f"{key.rstrip('/')}/" if key else ""
        listing = client.list_objects_v2(Bucket=bucket, Prefix=f"{folder}_", Delimiter="/")
        there = {one["Key"] for one in listing.get("Contents", [])}
        for marker in MARKERS:
            if f"{folder}{marker}" in there:
                result = {"uri": job_id, "marker": marker}
                return JobState(job_id, Phase.SUCCEEDED, "Published", result=result)
        return JobState(job_id, Phase.RUNNING, "Unpublished")


DATASET_PUBLISHED = DatasetPublished()
