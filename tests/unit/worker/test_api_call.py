from __future__ import annotations

import pytest

from airflow_ml_provider.worker import api_call
from airflow_ml_provider.worker.errors import StepError

GROUP = {"ModelPackageGroupName": "flights"}
RESOURCE = {
    "describe": "describe_model_package_group",
    "key": GROUP,
    "create": "create_model_package_group",
    "request": GROUP,
}


def work(service, action, request, **fields):
    made = {"service": service, "action": action, "request": request}
    return {**made, "resource": None, "creates": False, **fields}


def test_a_call_is_made_and_its_answer_is_not_shown(connect, caplog):
    caplog.set_level("INFO", "airflow_ml_provider")
    topic = connect("sns").create_topic(Name="ml")["TopicArn"]
    said = api_call.run(work("sns", "publish", {"TopicArn": topic, "Message": 6}), connect)
    assert said == "sns publish was called"
    ours = [one for one in caplog.records if one.name.startswith("airflow_ml_provider")]
    assert ours == []


def test_a_missing_resource_is_created(connect):
    request = {**GROUP, "ModelPackageDescription": "new", "ClientToken": "t" * 36}
    made = work("sagemaker", "create_model_package", request, resource=RESOURCE)
    for _ in range(2):
        api_call.run(made, connect)
    sagemaker = connect("sagemaker")
    groups = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert [group["ModelPackageGroupName"] for group in groups] == ["flights"]
    (first, second) = sagemaker.list_model_packages(**GROUP)["ModelPackageSummaryList"]
    assert first["ModelPackageVersion"] != second["ModelPackageVersion"]


def test_what_aws_would_refuse_is_said_at_once(connect):
    with pytest.raises(StepError) as caught:
        api_call.run(work("sns", "publish", {"Text": "x"}), connect)
    assert "AWS would refuse the request: " in str(caught.value)
    assert 'Missing required parameter in input: "Message"' in str(caught.value)
    assert "\n" not in str(caught.value)
