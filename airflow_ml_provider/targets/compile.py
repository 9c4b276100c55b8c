"""A pipeline as the files that one target needs."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.plan.build import build, without_role
from airflow_ml_provider.plan.code import staged
from airflow_ml_provider.targets.finding import refuse
from airflow_ml_provider.targets.worker import with_worker_jobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.pipeline.account import Account
    from airflow_ml_provider.pipeline.pipeline import Pipeline
    from airflow_ml_provider.plan.nodes import Plan
    from airflow_ml_provider.targets.finding import Finding

# The module of a target has `findings(plan)` and `document(plan)`.
TARGETS: Mapping[str, str] = {
    "airflow": "airflow",
    "step-functions": "step_functions",
    "sagemaker": "sagemaker_pipelines",
}


@dataclass(frozen=True)
class Compiled:
    """One pipeline on one target.

    ``document`` is the orchestrator's own: the tasks of a DAG, a state machine, a SageMaker
    pipeline. ``plan`` is what it was made from. ``code`` holds the objects that must lie on S3
    below the plan's root before a run, by their keys.
    """

    target: str
    plan: Plan
    document: Mapping[str, Any]
    code: Mapping[str, bytes]
    findings: tuple[Finding, ...]

    @property
    def text(self) -> str:
        """The document as it is written."""
        return as_text(self.document)


def compile_pipeline(pipeline: Pipeline, target: str, account: Account | None = None) -> Compiled:
    """Compile a pipeline; the same definition gives the same bytes.

    :raises PipelineError: with everything that is missing or that the target can't do.
    """
    plan, findings = examined(pipeline, target, account)
    if problems := without_role(plan):
        raise PipelineError(f"pipeline {pipeline.name!r}", problems)
    refuse(pipeline.name, target, findings)
    code: dict[str, bytes] = {}
    if target != "airflow":  # its tasks stage their code themselves
        plan, code = staged(plan)
    return Compiled(target, plan, _module(target).document(plan), code, tuple(findings))


def examined(
    pipeline: Pipeline, target: str, account: Account | None = None
) -> tuple[Plan, list[Finding]]:
    """Give the plan as the target runs it, and what becomes there of each feature."""
    plan, findings = with_worker_jobs(build(pipeline, account), target, account)
    return plan, [*findings, *_module(target).findings(plan)]


def as_text(document: Mapping[str, Any]) -> str:
    """Write JSON as all files here are written."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _module(target: str) -> Any:
    return import_module(f"{__package__}.{TARGETS[target]}")
