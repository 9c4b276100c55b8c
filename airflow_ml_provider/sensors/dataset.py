"""Waiting for a dataset on S3."""

from __future__ import annotations

from typing import Any

from airflow_ml_provider.sensors.watch import WatchSensor


class DatasetSensor(WatchSensor):
    """Wait until a dataset is whole: its ``_manifest.json`` or Spark's ``_SUCCESS`` lies there.

    :param uri: the S3 prefix of the dataset. (templated)
    """

    watchable_name = "dataset_published"
    template_fields = ("uri",)

    def __init__(self, *, uri: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uri = uri

    def watched_id(self) -> str:
        """Give the prefix."""
        return self.uri
