from __future__ import annotations

import json

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from airflow_ml_provider.aws.access_policy import Permission
from airflow_ml_provider.mwaa.role_access import permissions, refused, role_name, role_statements

ROLE = "arn:aws:iam::123456789012:role/path/worker"
OBJECT = "arn:aws:s3:::lake/ml/*"


@pytest.fixture
def iam(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return boto3.client("iam", aws_access_key_id="testing", aws_secret_access_key="testing")


def test_a_policy_is_taken_apart():
    passed = {"StringEquals": {"iam:PassedToService": ["glue", "sagemaker"]}}
    policy = {
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": OBJECT},
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": [ROLE], "Condition": passed},
        ]
    }
    assert permissions(policy) == [
        Permission("s3:GetObject", OBJECT),
        Permission("s3:PutObject", OBJECT),
        Permission("iam:PassRole", ROLE, (("iam:PassedToService", "glue"),)),
        Permission("iam:PassRole", ROLE, (("iam:PassedToService", "sagemaker"),)),
    ]


def test_a_name_stands_behind_the_path():
    assert role_name(ROLE) == "worker"


def test_the_simulator_is_asked(iam):
    needed = [
        Permission("s3:PutObject", OBJECT),
        Permission("iam:PassRole", ROLE, (("iam:PassedToService", "glue.amazonaws.com"),)),
        Permission("s3:GetObject", OBJECT),
    ]

    def asked(actions, resource, *context):
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context
        ]
        return {
            "PolicySourceArn": ROLE,
            "ActionNames": actions,
            "ResourceArns": [resource],
            "ContextEntries": entries,
        }

    def answer(**decisions):
        results = [
            {"EvalActionName": name.replace("_", ":"), "EvalDecision": decision}
            for name, decision in decisions.items()
        ]
        return {"EvaluationResults": results}

    with Stubber(iam) as stub:
        stub.add_response(
            "simulate_principal_policy",
            answer(iam_PassRole="implicitDeny"),
            asked(["iam:PassRole"], ROLE, *needed[1].context),
        )
        stub.add_response(
            "simulate_principal_policy",
            answer(s3_GetObject="allowed", s3_PutObject="explicitDeny"),
            asked(["s3:GetObject", "s3:PutObject"], OBJECT),
        )
        assert refused(iam, ROLE, needed) == ([needed[1], needed[0]], True)
        stub.assert_no_pending_responses()


def test_many_actions_take_several_calls(iam):
    needed = [Permission(f"s3:Action{number:02}", OBJECT) for number in range(51)]
    with Stubber(iam) as stub:
        for actions in (needed[:50], needed[50:]):
            results = [{"EvalActionName": one.action, "EvalDecision": "allowed"} for one in actions]
            stub.add_response("simulate_principal_policy", {"EvaluationResults": results})
        assert refused(iam, ROLE, needed) == ([], True)
        stub.assert_no_pending_responses()


def test_other_errors_of_the_simulator_are_passed_on(iam):
    with Stubber(iam) as stub:
        stub.add_client_error("simulate_principal_policy", "NoSuchEntity")
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            refused(iam, ROLE, [Permission("s3:GetObject", OBJECT)])


def test_a_roles_own_policies_are_read_where_the_simulator_is_not_allowed(iam, monkeypatch):
    def document(*statements):
        return json.dumps({"Version": "2012-10-17", "Statement": [*statements]})

    trust = document({"Effect": "Allow", "Principal": {"Service": "a"}, "Action": "sts:AssumeRole"})
    reads = {"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}
    denies = {"Sid": "No", "Effect": "Deny", "Action": "s3:GetObjectAcl", "Resource": "*"}
    lists = {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    with mock_aws():
        iam = boto3.client("iam", aws_access_key_id="testing", aws_secret_access_key="testing")
        iam.create_role(RoleName="worker", Path="/path/", AssumeRolePolicyDocument=trust)
        iam.put_role_policy(
            RoleName="worker", PolicyName="own", PolicyDocument=document(reads, denies)
        )
        arn = iam.create_policy(PolicyName="lent", PolicyDocument=document(lists))["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="worker", PolicyArn=arn)
        names = [name for name, _ in role_statements(iam, "worker")]
        assert names == ["own/Read", "own/No", "lent/List"]

        def paginate(**_):
            error = {"Error": {"Code": "AccessDenied"}}
            raise iam.exceptions.ClientError(error, "SimulatePrincipalPolicy")

        paginator = iam.get_paginator
        simulator = type("Simulator", (), {"paginate": staticmethod(paginate)})()
        monkeypatch.setattr(
            iam,
            "get_paginator",
            lambda name: simulator if name == "simulate_principal_policy" else paginator(name),
        )
        actions = ("GetObject", "GetObjectAcl", "ListBucket", "PutObject")
        needed = [Permission(f"s3:{action}", OBJECT) for action in actions]
        assert refused(iam, ROLE, needed) == ([needed[1], needed[3]], False)
