"""Waiting for a model package's approval.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-approve.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import JobNotFoundError, is_not_found
from airflow_ml_provider.jobs.one_by_one import OneByOne
from airflow_ml_provider.jobs.result import picked
from airflow_ml_provider.jobs.state import JobState, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STATUSES = ("Approved", "Rejected", "PendingManualApproval")
_PENDING = "PendingManualApproval"
_RESULT_FIELDS = (
    "ModelPackageArn",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelApprovalStatus",
)


def package_id(
    *, package: str | None = None, group: str | None = None, wanted: Sequence[str] = ("Approved",)
) -> str:
    """Give the id to wait for: one package (its ARN), or the newest of a group (its name or ARN).

    :raises ValueError: not exactly one of both is given, or a status that SageMaker doesn't know.
    """
    if bool(package) == bool(group):
        raise ValueError("Give the package's ARN or its group's name: one of both, and only one.")
    unknown = sorted(set(wanted) - set(STATUSES))
    if unknown or not wanted:
        raise ValueError(f"wanted has {unknown or 'nothing'}; allowed are {', '.join(STATUSES)}.")
    which = {"package": package} if package else {"group": group}
    return json.dumps({**which, "wanted": sorted(wanted)}, sort_keys=True, separators=(",", ":"))


class ModelPackageStatus(OneByOne):
    """A job id is what :func:`package_id` gives."""

    name = "model_package_status"
    service = "sagemaker"
    actions = frozenset({"sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"})

    def state(self, client: Any, job_id: str) -> JobState:
        """Ask for the approval status; one that is neither wanted nor pending is a failure."""
        sought = json.loads(job_id)
        package = sought.get("package") or _newest(client, sought["group"])
        if package is None:
            return JobState(job_id, Phase.RUNNING, "NoPackage")
        answer = self._describe(client, package, job_id)
        status: str = answer.get("ModelApprovalStatus", _PENDING)
        result = picked(answer, _RESULT_FIELDS)
        if answer.get("ModelPackageStatus") == "Failed":
            reason = f"the model package {package} could not be created"
            return JobState(job_id, Phase.FAILED, "Failed", reason=reason, result=result)
        if status in sought["wanted"]:
            return JobState(job_id, Phase.SUCCEEDED, status, result=result)
        if status == _PENDING:
            return JobState(job_id, Phase.RUNNING, status)
        described = answer.get("ApprovalDescription")
        reason = f"{package} is {status}" + (f": {described}" if described else "")
        return JobState(job_id, Phase.FAILED, status, reason=reason, result=result)

    def _describe(self, client: Any, package: str, job_id: str) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = client.describe_model_package(ModelPackageName=package)
        except Exception as error:
            if is_not_found(error):
                raise JobNotFoundError(self.name, job_id) from error
            raise
        return answer


def _newest(client: Any, group: str) -> str | None:
    answer = client.list_model_packages(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending", MaxResults=1
    )
    arns: list[str] = [one["ModelPackageArn"] for one in answer["ModelPackageSummaryList"]]
    return arns[0] if arns else None


MODEL_PACKAGE_STATUS = ModelPackageStatus()
