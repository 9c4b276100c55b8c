"""What policies allow."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_ml_provider.aws.access_policy import Permission, decide, statements_of

JOBS = "arn:aws:iam::123456789012:role/jobs"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [{**allowed, **one} for one in statements]}


def allowed(document: dict[str, Any], needed: Permission) -> bool:
    allowing, denied = decide(statements_of("p", document), needed)
    return bool(allowing) and not denied


GET = Permission("s3:GetObject", "arn:aws:s3:::b/a/x")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Action": "s3:GetObject"}, True),
        ({"Action": ["s3:PutObject", "S3:getobject"]}, True),
        ({"Action": "s3:Get*"}, True),
        ({"Action": "s3:?etObject"}, True),
        ({"Action": "s3:GetObjectAcl"}, False),
        ({"Resource": "arn:aws:s3:::b/*"}, True),
        ({"Resource": ["arn:aws:s3:::c/*", "arn:aws:s3:::b/a/?"]}, True),
        ({"Resource": "arn:aws:s3:::b/A/*"}, False),
        ({"Resource": "arn:aws:s3:::b/a"}, False),
        ({"Resource": "arn:aws:s3:::b/[ab]/x"}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"StringEquals": {"s3:prefix": "a"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
    ],
)
def test_what_a_statement_allows(statement: dict[str, Any], expected: bool) -> None:
    assert allowed(policy(statement), GET) is expected


def test_what_is_not_known_allows_nothing_and_denies_all() -> None:
    without_action = {"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"}
    assert not allowed({"Statement": without_action}, GET)
    assert not allowed(
        {"Statement": [*policy({})["Statement"], {**without_action, "Effect": "Deny"}]}, GET
    )
    unknown = {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    assert not allowed(policy({}, unknown), GET)


def test_a_deny_wins() -> None:
    assert allowed(policy({}, {"Effect": "Deny", "Action": "s3:PutObject"}), GET)
    assert not allowed(policy({}, {"Effect": "Deny", "Action": "s3:Get*"}), GET)


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("StringEquals", "glue.amazonaws.com", True),
        ("StringEquals", ["sagemaker.amazonaws.com", "glue.amazonaws.com"], True),
        ("StringEquals", "*.amazonaws.com", False),
        ("StringLike", "*.amazonaws.com", True),
        ("ArnLike", "sage*", False),
        ("ArnEquals", "glue*", True),
    ],
)
def test_conditions(operator: str, values: Any, expected: bool) -> None:
    needed = Permission("iam:PassRole", JOBS, (("iam:PassedToService", "glue.amazonaws.com"),))
    statement = {"Condition": {operator: {"iam:PassedToService": values}}}
    assert allowed(policy(statement), needed) is expected


def test_statements_are_named() -> None:
    document = policy({"Sid": "Reading"}, {})
    assert [name for name, _ in statements_of("own", document)] == ["own/Reading", "own/1"]
