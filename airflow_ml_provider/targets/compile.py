"""A pipeline as the files that one target needs."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from math import isfinite
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import VALUES
from airflow_ml_provider.plan.build import build, without_role
from airflow_ml_provider.plan.code import staged
from airflow_ml_provider.targets.finding import refusals
from airflow_ml_provider.targets.worker import with_worker_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    if problems := [*without_role(plan), *refusals(target, findings)]:
        raise PipelineError(f"pipeline {pipeline.name!r}", problems)
    code: dict[str, bytes] = {}
    if target == "airflow":
        # Its tasks stage their code themselves; where this machine has it is no matter of theirs.
        plan = replace(plan, folder=Path())
    else:
        try:
            plan, code = staged(plan)
        except (OSError, ValueError) as error:
            raise PipelineError(f"pipeline {pipeline.name!r}", [f"code: {error}"]) from error
    return Compiled(target, plan, _module(target).document(plan), code, tuple(findings))


def examined(
    pipeline: Pipeline, target: str, account: Account | None = None
) -> tuple[Plan, list[Finding]]:
    """Give the plan as the target runs it, and what becomes there of each feature.

    :raises PipelineError: there is no root, or a request holds what is no JSON.
    """
    plan = build(pipeline, account)
    if problems := list(_no_json(plan)):
        raise PipelineError(f"pipeline {pipeline.name!r}", problems)
    plan, findings = with_worker_jobs(plan, target, account)
    return plan, [*findings, *_module(target).findings(plan)]


def as_text(document: Mapping[str, Any]) -> str:
    """Write JSON as all files here are written."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _no_json(plan: Plan) -> Iterator[str]:
    for node in plan.all_nodes():
        for name in ("request", "payload", "parameters"):
            for path, value in _strange(getattr(node, name, None), name):
                yield (
                    f"step {node.name!r}: {path}: {value!r} is no JSON; give text, a number, a "
                    "truth value, a list, an object with text as keys, or a value of the run"
                )


def _strange(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _strange(item, f"{path}.{key}") if isinstance(key, str) else [(path, key)]
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _strange(item, f"{path}[{number}]")
    elif isinstance(value, float):
        if not isfinite(value):
            yield path, value
    elif not isinstance(value, (str, int, NoneType, *VALUES)):
        yield path, value


def _module(target: str) -> Any:
    return import_module(f"{__package__}.{TARGETS[target]}")
