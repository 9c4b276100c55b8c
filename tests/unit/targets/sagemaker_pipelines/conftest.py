"""Small plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_ml_provider.plan.nodes import Job, Plan


@pytest.fixture
def job():
    """Make a job of a kind; its request is as small as the compiler lets it be."""

    def make(name, *after, kind="sagemaker_processing", **more):
        fields = {"request": {}, "retry": (), "timeout_seconds": 60, **more}
        return Job(name=name, after=after, kind=kind, **fields)

    return make


@pytest.fixture
def plan():
    """Put nodes into a plan."""

    def make(*nodes, **more):
        fields = {"keyed_by": "interval", "parameters": (), **more}
        return Plan(name="flights", root="s3://bucket/root", folder=Path(), nodes=nodes, **fields)

    return make
