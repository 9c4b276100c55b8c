"""What SageMaker creates at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def group(client: Callable[[str], Any], name: str) -> str:
    """Create a model package group, and return its name."""
    client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    return name


def test_a_client_token_makes_one_version(client: Callable[[str], Any], group: str) -> None:
    sagemaker = client("sagemaker")
    request = {"ModelPackageGroupName": group, "ModelApprovalStatus": "PendingManualApproval"}
    tokens = [f"{group}-1", f"{group}-1", f"{group}-2"]
    arns = [
        sagemaker.create_model_package(**request, ClientToken=token)["ModelPackageArn"]
        for token in tokens
    ]
    assert arns[0] == arns[1] != arns[2]
    listed = sagemaker.list_model_packages(ModelPackageGroupName=group)
    assert len(listed["ModelPackageSummaryList"]) == 2


def test_a_group_is_made_once(client: Callable[[str], Any], group: str) -> None:
    with pytest.raises(ClientError, match="already exists") as error:
        client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    assert error.value.response["Error"]["Code"] == "ValidationException"
