from __future__ import annotations

import pytest

from airflow_ml_provider.jobs.errors import JobNotFoundError
from airflow_ml_provider.jobs.model_package_status import MODEL_PACKAGE_STATUS, package_id
from airflow_ml_provider.jobs.state import Phase

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/g/1"


def package(status="Approved", **fields):
    return {"ModelPackageArn": ARN, "ModelApprovalStatus": status, **fields}


@pytest.mark.parametrize(
    ("answer", "wanted", "phase", "reason"),
    [
        (package(), ["Approved"], Phase.SUCCEEDED, None),
        (package("Rejected"), ["Approved"], Phase.FAILED, f"{ARN} is Rejected"),
        (
            package("Rejected", ApprovalDescription="drift"),
            ["Approved"],
            Phase.FAILED,
            f"{ARN} is Rejected: drift",
        ),
        (package("Rejected"), ["Approved", "Rejected"], Phase.SUCCEEDED, None),
        (package("PendingManualApproval"), ["Approved"], Phase.RUNNING, None),
        (package("PendingManualApproval"), ["PendingManualApproval"], Phase.SUCCEEDED, None),
        (
            package(ModelPackageStatus="Failed"),
            ["Approved"],
            Phase.FAILED,
            f"the model package {ARN} could not be created",
        ),
    ],
)
def test_status_of_one_package(aws, answer, wanted, phase, reason):
    fake = aws("sagemaker", DescribeModelPackage=answer)
    state = MODEL_PACKAGE_STATUS.state(fake.client, package_id(package=ARN, wanted=wanted))
    assert (state.phase, state.reason) == (phase, reason)


def test_the_newest_of_a_group(aws):
    newest = {"ModelPackageSummaryList": [{"ModelPackageArn": ARN}]}
    none = {"ModelPackageSummaryList": []}
    fake = aws("sagemaker", ListModelPackages=[none, newest], DescribeModelPackage=package())
    job_id = package_id(group="g")
    assert MODEL_PACKAGE_STATUS.state(fake.client, job_id).phase is Phase.RUNNING
    state = MODEL_PACKAGE_STATUS.state(fake.client, job_id)
    assert state.result == {"ModelPackageArn": ARN, "ModelApprovalStatus": "Approved"}
    assert fake.actions == MODEL_PACKAGE_STATUS.actions
    assert MODEL_PACKAGE_STATUS.states(fake.client, [job_id], 0.0) == {}


def test_an_unknown_package(aws, refusal):
    missing = refusal("ValidationException", f"ModelPackage {ARN} does not exist: not found")
    fake = aws("sagemaker", DescribeModelPackage=[missing, refusal("AccessDenied")])
    with pytest.raises(JobNotFoundError):
        MODEL_PACKAGE_STATUS.state(fake.client, package_id(package=ARN))
    with pytest.raises(Exception, match="AccessDenied"):
        MODEL_PACKAGE_STATUS.state(fake.client, package_id(package=ARN))


@pytest.mark.parametrize(
    "bad",
    [{}, {"package": ARN, "group": "g"}, {"group": "g", "wanted": []}],
)
def test_a_bad_id_is_refused(bad):
    with pytest.raises(ValueError, match=r"one of both|has nothing"):
        package_id(**bad)


def test_an_unknown_status_is_refused():
    with pytest.raises(ValueError, match=r"wanted has \['approved'\]; allowed are Approved"):
        package_id(group="g", wanted=["approved"])
