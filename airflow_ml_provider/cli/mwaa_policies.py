"""What the pipelines of a DAGs folder need of their roles, once an environment runs them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.cli.definitions import DefinitionError, definitions, filled
from airflow_ml_provider.mwaa.finding import ERROR, ROLE, SKIPPED, Finding
from airflow_ml_provider.mwaa.package import files_of
from airflow_ml_provider.pipeline import PipelineError
from airflow_ml_provider.pipeline.account import configured
from airflow_ml_provider.targets.compile import compile_pipeline
from airflow_ml_provider.targets.iam import policies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SECTION = "airflow_ml_provider"


def folder_policies(
    folder: Path, options: Mapping[str, str], role_arn: str, region: str
) -> tuple[dict[str, Mapping[str, Any]], list[Finding]]:
    """Give the policies by pipeline, and findings about files that tell none.

    :param options: the environment's, by ``section.option``; they stand for its configuration.
    :param role_arn: the execution role, whose account the pipelines run in.
    """
    try:
        account = configured(lambda name: options.get(f"{_SECTION}.{name}"))
    except ValueError as error:
        return {}, [Finding(ROLE, ERROR, str(error), f"mend the option {_SECTION}.tags")]
    _, partition, _, _, account_id, *_ = role_arn.split(":")
    derive = partial(
        policies, target="airflow", partition=partition, region=region, account_id=account_id
    )
    made: dict[str, Mapping[str, Any]] = {}
    found: list[Finding] = []
    for file in sorted(files_of(folder).values()):
        # As Airflow does: other files of the folder are no definitions.
        if file.suffix != ".py" or _SECTION not in file.read_text("utf-8", "replace"):
            continue
        try:
            with _no_credentials():
                there = definitions(file)
            if not there:
                said = f"what {file} calls: it has no Pipeline at its top level"
                found.append(Finding(ROLE, SKIPPED, said, "derive its rights from its operators"))
            for one in there:
                compiled = compile_pipeline(one.pipeline, "airflow", filled(one.account, account))
                made[one.pipeline.name] = derive(compiled.plan)
        except PipelineError as error:
            mend = f"mend the pipeline, or set {_SECTION}.role_arn and {_SECTION}.root as options"
            found.append(Finding(ROLE, ERROR, f"{file}: {error}", mend))
        except DefinitionError as error:
            said = f"what {file} calls: {error}"
            found.append(Finding(ROLE, SKIPPED, said, "see what the check of the DAGs says"))
    return made, found


@contextmanager
def _no_credentials() -> Iterator[None]:
    """Keep the AWS credentials of whoever asks from the code that is only read."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("AWS_") and name not in {"AWS_DEFAULT_REGION", "AWS_REGION"}:
            del os.environ[name]
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        os.environ[name] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
