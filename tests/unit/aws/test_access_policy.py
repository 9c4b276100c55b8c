from __future__ import annotations

import pytest

from airflow_ml_provider.aws.access_policy import Permission, decide, statements_of

GET = Permission("s3:GetObject", "arn:aws:s3:::b/a/x")


def allowed(document, needed):
    allowing, denied = decide(statements_of("p", document), needed)
    return bool(allowing) and not denied


def policy(*statements):
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return {"Statement": [{**everything, **one} for one in statements]}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Action": "s3:GetObject"}, True),
        ({"Action": ["s3:PutObject", "S3:getobject"]}, True),
        ({"Action": "s3:?et*"}, True),
        ({"Action": "s3:GetObjectAcl"}, False),
        ({"Resource": ["arn:aws:s3:::c/*", "arn:aws:s3:::b/a/?"]}, True),
        ({"Resource": "arn:aws:s3:::b/A/*"}, False),
        ({"Resource": "arn:aws:s3:::b/[ab]/x"}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"StringEquals": {"s3:prefix": "a"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
    ],
)
def test_what_a_statement_allows(statement, expected):
    assert allowed(policy(statement), GET) is expected


def test_what_is_not_known_allows_nothing_and_denies_all():
    unknown = {"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"}
    assert not allowed({"Statement": unknown}, GET)
    assert not allowed(
        {"Statement": [*policy({})["Statement"], {**unknown, "Effect": "Deny"}]}, GET
    )


def test_a_deny_wins():
    assert allowed(policy({}, {"Effect": "Deny", "Action": "s3:PutObject"}), GET)
    assert not allowed(policy({}, {"Effect": "Deny", "Action": "s3:Get*"}), GET)


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("StringEquals", ["a/", "b/"], True),
        ("StringEquals", "b*", False),
        ("StringLike", "b*", True),
    ],
)
def test_conditions(operator, value, expected):
    needed = Permission("s3:ListBucket", "arn:aws:s3:::b", (("s3:prefix", "b/"),))
    assert allowed(policy({"Condition": {operator: {"s3:prefix": value}}}), needed) is expected


def test_statements_are_named():
    document = policy({"Sid": "Reading"}, {})
    assert [name for name, _ in statements_of("own", document)] == ["own/Reading", "own/1"]
