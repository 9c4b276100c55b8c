"""What is wrong with the place where a step is to run: with an extract's in Glue most of all.

https://docs.aws.amazon.com/glue/latest/dg/add-job-python.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.data_steps import (
    EmrServerless,
    Glue,
    GluePythonShell,
    SparkTransform,
    SqlExtract,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.pipeline.step import Step

MEMORY_MB = {0.0625: 1024, 1: 16_384}
"""The memory of a Python shell job by its capacity in DPU."""
_OWN_MB = 384
"""What Glue, Python, boto3 and pyarrow take before there is a row."""


def on_problems(step: Step, on_empty: str) -> Iterator[str]:
    """Name the field, what was given and the mend of each problem of ``on``."""
    if isinstance(step, SparkTransform) and not isinstance(step.on, (Glue, EmrServerless)):
        yield f"on: {step.on!r} runs no Spark; give Glue(...) or EmrServerless(...)"
    elif isinstance(step, SqlExtract) and step.on is not None:
        if isinstance(step.on, GluePythonShell):
            yield from _extract_problems(step, step.on, on_empty)
        else:
            yield f"on: {step.on!r} extracts nothing; give GluePythonShell(...)"


def _extract_problems(step: SqlExtract, on: GluePythonShell, on_empty: str) -> Iterator[str]:
    if step.image_uri is not None:
        yield "image_uri: a Glue job has no image; give image_uri= or on=, not both"
    if on_empty == "skip":
        yield "on: a Glue job can't skip what follows; give on_empty='continue' or 'fail'"
    for requirement in step.requirements:
        if "," in requirement:
            # https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
            yield (
                f"requirements: {requirement!r} has a comma, which begins the next one in "
                "--additional-python-modules; pin one version with =="
            )
    yield from _shell_problems(on, step.memory_mb)


def _shell_problems(on: GluePythonShell, memory_mb: object) -> Iterator[str]:
    if isinstance(on.connections, str) or not all(isinstance(c, str) for c in on.connections):
        yield f"on: connections={on.connections!r} must be names; give connections=('name',)"
    whole_mb = MEMORY_MB.get(on.max_capacity)
    if whole_mb is None:
        yield f"on: max_capacity={on.max_capacity!r} must be 0.0625 or 1"
    elif isinstance(memory_mb, int) and memory_mb > whole_mb - _OWN_MB:
        more = "" if on.max_capacity == 1 else ", or GluePythonShell(max_capacity=1)"
        yield (
            f"memory_mb: {memory_mb} is too much for max_capacity={on.max_capacity}, which has "
            f"{whole_mb:,} MB, {_OWN_MB} of them for the job itself; give at most "
            f"{whole_mb - _OWN_MB:,}{more}"
        )
