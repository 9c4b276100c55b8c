from __future__ import annotations

import sys

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from airflow_ml_provider.mwaa.doctor import Subject, examine
from airflow_ml_provider.mwaa.finding import BUCKET, DAGS
from airflow_ml_provider.mwaa.versions import VERSIONS

VERSION = VERSIONS["3.3.1"]
PYTHON = f"""#!{sys.executable}
import json, os, sys
errors = {{"flow.py": json.dumps([os.environ.get(name) for name in ("OWN", "PATH", "DAY")])}}
found = {{"airflow": "3.3.1", "python": "3.12.1", "dags": [], "errors": errors}}
open(sys.argv[-1], "w").write(json.dumps(found))
"""


def test_dags_get_what_the_startup_script_exports(dags, tmp_path, monkeypatch):
    python, script = tmp_path / "python", tmp_path / "startup.sh"
    python.write_text(PYTHON)
    python.chmod(0o755)
    # No shell computes the rest here.
    script.write_text('export OWN=1 PATH="/opt/own:$PATH"\nexport DAY=`date`\n')
    monkeypatch.setenv("PATH", "/bin")
    subject = Subject(VERSION, files={"startup.sh": script}, dags=dags, python=python)
    (found,) = [
        one for one in examine(subject, pytest.fail, (DAGS,)) if one.said.startswith("flow.py")
    ]
    assert found.said == 'flow.py: ["1", "/bin", null]'


@pytest.mark.parametrize(
    ("error", "said", "mend"),
    [
        (NoCredentialsError(), "AWS did not answer: Unable to locate", "see to your credentials"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "HeadBucket"),
            "AWS did not answer: An error occurred (AccessDenied)",
            "allow your own credentials this call",
        ),
    ],
)
def test_an_aws_that_does_not_answer(error, said, mend):
    class S3:
        def head_bucket(self, **_):
            raise error

    (found,) = examine(
        Subject(VERSION, bucket="source", region="eu-central-1"), lambda _: S3(), (BUCKET,)
    )
    assert found.severity == "error"
    assert found.said.startswith(said)
    assert found.mend.startswith(mend)
