from __future__ import annotations

import pytest

from airflow_ml_provider.mwaa.deploy import KEEP, Change, Deployment, rollback, stale
from airflow_ml_provider.mwaa.environment import Environment, Used

BEFORE = Environment(
    name="production",
    arn="arn:aws:airflow:eu-central-1:123456789012:environment/production",
    status="AVAILABLE",
    airflow="3.3.1",
    bucket="source",
    role_arn="arn:aws:iam::123456789012:role/airflow",
    dags="dags",
    files={
        "plugins.zip": Used("plugins.zip", "p1"),
        "requirements.txt": Used("r.txt", "r1"),
        "startup.sh": Used(),
    },
    options={},
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change("requirements.txt", "r.txt", None, "", KEEP, "r1"), {}),
        (
            Change("requirements.txt", "r.txt", None, "", KEEP, "r2"),
            {"requirements.txt": Used("r.txt", "r2")},
        ),
        (
            Change("requirements.txt", "r.txt", None),
            {"requirements.txt": Used("r.txt")},
        ),
        (
            Change("startup.sh", "startup.sh", None, "", KEEP, "s1"),
            {"startup.sh": Used("startup.sh", "s1")},
        ),
    ],
)
def test_what_the_environment_must_be_told(change, expected):
    assert stale(Deployment("source", BEFORE, (change,), ())) == expected


def test_an_environment_to_come_is_told_of_all():
    change = Change("requirements.txt", "r.txt", None, "", KEEP, "r1")
    told = stale(Deployment("source", None, (change,), ()))
    assert told == {"requirements.txt": Used("r.txt", "r1")}


def test_the_way_back():
    files = {"requirements.txt": Used("r.txt", "r2"), "startup.sh": Used("startup.sh", "s1")}
    assert rollback(BEFORE, files) == (
        "aws mwaa update-environment --region eu-central-1 --name production "
        "--requirements-s3-path r.txt --requirements-s3-object-version r1"
    )
    assert rollback(BEFORE, {"startup.sh": Used("startup.sh", "s1")}) == ""
