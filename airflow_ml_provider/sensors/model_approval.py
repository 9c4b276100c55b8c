"""Waiting for a person to approve a model."""

from __future__ import annotations

from typing import Any

from airflow_ml_provider.jobs.model_package_status import package_id
from airflow_ml_provider.sensors.watch import WatchSensor


class ModelApprovalSensor(WatchSensor):
    """Wait until a model package has the wanted approval status; another decision fails.

    :param model_package_arn: the package. (templated)
    :param group: a package group instead, whose newest package counts. (templated)
    :param wanted: ``Approved`` or ``Rejected``.
    """

    watchable_name = "model_package_status"
    template_fields = ("model_package_arn", "group")

    def __init__(
        self,
        *,
        model_package_arn: str | None = None,
        group: str | None = None,
        wanted: str = "Approved",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model_package_arn = model_package_arn
        self.group = group
        self.wanted = wanted

    def watched_id(self) -> str:
        """Give the package or the group, with what is wanted.

        :raises ValueError: not exactly one of both is given, or an unknown status.
        """
        return package_id(package=self.model_package_arn, group=self.group, wanted=(self.wanted,))
