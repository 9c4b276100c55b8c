"""An extract as a run of a Glue Python shell job, where no worker should read the rows.

https://docs.aws.amazon.com/glue/latest/dg/add-job-python.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.values import Code, Text
from airflow_ml_provider.plan.extracts import extract_work
from airflow_ml_provider.plan.nodes import Job
from airflow_ml_provider.plan.place import merged, present
from airflow_ml_provider.plan.worker_step import start_file, step_file, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_ml_provider.pipeline.data_steps import GluePythonShell, SqlExtract
    from airflow_ml_provider.plan.nodes import Extract
    from airflow_ml_provider.plan.place import Place
    from airflow_ml_provider.plan.worker_step import Mapped

STEP_ARGUMENT = "--airflow-ml-step"
# Glue installs with pip, on Python 3.9: these are the last that its C library can load there, and
# what it has itself is older than S3's conditional writes.
_PACKAGES = ("boto3==1.42.97", "pyarrow==20.0.0")
_CONCURRENT_RUNS = 20


def glue_job(
    step: SqlExtract, on: GluePythonShell, node: Extract, place: Place, maps: Mapping[str, Mapped]
) -> Job:
    """Give the job that does an extract's work; ``maps`` are those of the pipeline by name.

    What is to be done lies on S3, beside the code. The values of the run are the job's arguments,
    each behind a ``=``, so that none is empty or looks like an option. The connection is read in
    the job: arguments may be logged.
    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html

    :raises PipelineError: a value of the run has no type; all are named.
    """
    extract = extract_work(node)
    extract["requirements"] = []  # Glue installs them before the job begins
    found = written({"step": step.name, "extract": extract}, maps, bounded=False)
    if found.problems:
        raise PipelineError(f"step {step.name!r}", list(found.problems))
    request = {
        "JobName": on.job_name or f"{place.job_prefix}{step.name}",
        "Definition": merged(_definition(step, on, place), on.definition),
        "Arguments": {
            "--extra-py-files": Code((), "wheel"),
            "--additional-python-modules": ",".join(_packages(step.requirements)),
            "library-set": "none",
            STEP_ARGUMENT: step_file(found.work, "file"),
            **{f"--{name}": Text.of("=", value) for name, value in found.environment.items()},
        },
        "MaxCapacity": on.max_capacity,
        "Timeout": -(-step.timeout_seconds // 60),
    }
    return Job(
        name=node.name,
        after=node.after,
        kind="glue",
        request=merged(request, step.overrides),
        retry=node.retry,
        timeout_seconds=node.timeout_seconds,
        outputs={"output": node.output},
        work=replace(node, job={}),
    )


def _definition(step: SqlExtract, on: GluePythonShell, place: Place) -> dict[str, Any]:
    command = {"Name": "pythonshell", "ScriptLocation": start_file("glue_shell")}
    return {
        "Role": place.role(on.role_arn or step.role_arn),
        "Command": {**command, "PythonVersion": "3.9"},
        # What the AWS CDK gives such a job, too; later ones are Spark's.
        "GlueVersion": "3.0",
        "MaxCapacity": on.max_capacity,
        "ExecutionProperty": {"MaxConcurrentRuns": _CONCURRENT_RUNS},
        **present(
            Connections=present(Connections=list(on.connections)),
            Tags=dict(sorted(place.account.tags.items())),
        ),
    }


def _packages(requirements: Iterable[str]) -> list[str]:
    given = {_name(one) for one in requirements}
    return [*(one for one in _PACKAGES if _name(one) not in given), *requirements]


def _name(requirement: str) -> str:
    # https://packaging.python.org/en/latest/specifications/name-normalization/
    name = re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
