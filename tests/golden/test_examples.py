"""Every example compiles to the same bytes for every target."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_ml_provider.cli.definitions import definitions
from airflow_ml_provider.pipeline import Account
from airflow_ml_provider.targets.cloudformation import template
from airflow_ml_provider.targets.compile import TARGETS, as_text, compile_pipeline
from airflow_ml_provider.targets.iam import policies

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACCOUNT = Account(
    role_arn="arn:aws:iam::123456789012:role/ml-jobs",
    root="s3://lake/ml",
    worker_image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/worker:1",
)
PLACE = {"partition": "aws", "region": "us-east-1", "account_id": "123456789012"}
HASH = re.compile(r"/code/[0-9a-f]{16}/")
FILES = sorted(
    file
    for folder in (ROOT / "dags", HERE)
    for file in folder.glob("**/*.py")
    if "pipeline_dag(" in file.read_text() and file != Path(__file__)
)


@pytest.fixture(scope="module", params=FILES, ids=lambda file: file.stem)
def found(request):
    return definitions(request.param)


@pytest.mark.parametrize("target", TARGETS)
def test_the_documents_are_these(found, target, request):
    for one in found:
        compiled = compile_pipeline(one.pipeline, target, one.account or ACCOUNT)
        plan, document = compiled.plan, compiled.document
        texts = {
            "definition": compiled.text,
            "policies": as_text(policies(plan, target, **PLACE)),
            "template": as_text(template(plan, target, document, schedule=one.schedule)),
        }
        for kind, written in texts.items():
            # What an edit of a script or of the worker's modules changes is no change of these.
            text = HASH.sub("/code/<hash>/", written)
            file = HERE / plan.name / f"{target}.{kind}.json"
            if request.config.option.write_golden:
                file.parent.mkdir(exist_ok=True)
                file.write_text(text)
            assert text == file.read_text(), f"make golden, if {file.name} is what it shall be"


def test_there_are_examples():
    assert {"flight_delays"} <= {file.stem for file in FILES}
