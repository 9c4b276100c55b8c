"""What each node of a plan is as a task: the operator's name and its arguments."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.step import ERRORS
from airflow_ml_provider.pipeline.values import (
    VALUES,
    Item,
    JobField,
    Metric,
    Parameter,
    Run,
    find,
)
from airflow_ml_provider.plan.nodes import Approval, Call, Choice, Extract, Fail, Invoke, Job, Map
from airflow_ml_provider.targets.airflow_conditions import spell_condition
from airflow_ml_provider.targets.airflow_values import Speller, codes_of

if TYPE_CHECKING:
    from typing_extensions import TypeAlias

    from airflow_ml_provider.pipeline.step import Retry
    from airflow_ml_provider.plan.nodes import Block, Node, Plan

    Task: TypeAlias = "tuple[str, dict[str, Any]]"
# What is as the operator's default is left out, for the sake of a parse.
_OPTIONAL = (
    *("partitions", "partition_by", "watermark", "watermark_delay_seconds"),
    *("on_drift", "memory_mb"),
)
_DEFAULTS = {field.name: field.default for field in fields(Extract) if field.name in _OPTIONAL}
# A worker may die while it waits; the next try asks again, which does no harm.
_ASKS_AGAIN = {"retries": 2, "retry_delay_seconds": 60}


def operator_of(node: Node, plan: Plan, speller: Speller) -> Task:  # noqa: PLR0911 - one a kind
    """Give the operator's name in the registry of ``factories``, and its arguments in JSON."""
    if isinstance(node, Job):
        return "remote_job", {**_job(node, plan, speller), **_retries(node.retry)}
    if isinstance(node, Call):
        return "aws_call", {**_call(node, plan, speller), **_retries(node.retry)}
    if isinstance(node, Extract):
        return "sql_extract", {**_extract(node, speller), **_retries(node.retry)}
    if isinstance(node, Invoke):
        arguments = {
            "function": speller.template(node.function),
            "payload": speller.json_template(node.payload),
            "timeout_seconds": node.timeout_seconds,
        }
        return "lambda_call", {**arguments, **_retries(node.retry)}
    if isinstance(node, Choice):
        return "choice", {
            "when": spell_condition(node.when, speller.mapped),
            "then": firsts(node.then),
            "otherwise": firsts(node.otherwise),
        }
    if isinstance(node, Map):
        if isinstance(node.items, Parameter):
            return "map_items", {"param": node.items.name}
        return "map_items", {"items": list(node.items)}
    if isinstance(node, Approval):
        package = speller.template(JobField(node.model, ("ModelPackageArn",)))
        return "model_approval", {
            "model_package_arn": package,
            "timeout": node.timeout_seconds,
            "poll_seconds": node.poll_seconds,
            "poke_interval": node.poll_seconds,
            # Where there is no triggerer a worker must not be held for days.
            "mode": "reschedule",
            **_ASKS_AGAIN,
        }
    assert isinstance(node, Fail), node  # noqa: S101 - the last kind of node
    return "fail", {"message": speller.template(node.message)}


def firsts(block: Block) -> list[str]:
    """Name the tasks of a block that wait for no other one of it."""
    return [node.name for node in block if not node.after]


def attempts_of(entries: tuple[Retry, ...]) -> dict[str, int]:
    """Give the tries after the first for each class of failures: those of its first entry."""
    return {
        error: next((e.attempts for e in entries if e.errors is None or error in e.errors), 0)
        for error in ERRORS
    }


def _retries(entries: tuple[Retry, ...]) -> dict[str, Any]:
    attempts = attempts_of(entries)
    most = max(attempts.values())
    arguments: dict[str, Any] = {"retries": most}
    if most:
        pauses = next(entry for entry in entries if entry.attempts)
        arguments |= {
            "retry_delay_seconds": pauses.interval_seconds,
            "retry_exponential_backoff": pauses.backoff > 1,
            "max_retry_delay_seconds": pauses.max_delay_seconds,
        }
    if len(set(attempts.values())) > 1:
        arguments["attempts"] = attempts
    return arguments


def _job(node: Job, plan: Plan, speller: Speller) -> dict[str, Any]:
    outputs = speller.template(node.outputs)
    report = node.report
    return {
        "kind": node.kind,
        "request": speller.template(node.request),
        **_code(node.request, plan),
        "report": None if report is None else outputs[report.output] + report.file,
        "outputs": outputs,
        "timeout_seconds": node.timeout_seconds,
    }


def _call(node: Call, plan: Plan, speller: Speller) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "service": node.service,
        "action": node.action,
        "request": speller.template(node.request),
        **_code(node.request, plan),
    }
    if node.resource is not None:
        arguments["resource"] = {
            "describe": node.resource.describe,
            "key": speller.template(node.resource.key),
            "create": node.resource.create,
            "request": speller.template(node.resource.request),
        }
    if node.creates:
        arguments["creates"] = True
    return arguments


def _code(request: Any, plan: Plan) -> dict[str, Any]:
    codes = {
        name: {"files": list(one.files), "form": one.form, "texts": [list(t) for t in one.texts]}
        for name, one in codes_of(request).items()
    }
    if not codes:
        return {}
    # Without it a task takes the folder of its DAG's file.
    folder = {} if plan.folder == Path() else {"code_folder": str(plan.folder)}
    return {"code": codes, **folder, "code_root": plan.root}


def _extract(node: Extract, speller: Speller) -> dict[str, Any]:
    given = node.parameters
    # A param keeps its type by its name, items and metrics by JSON text; anything else is text.
    dag_params = {name: one.name for name, one in given.items() if isinstance(one, Parameter)}
    others = {name: one for name, one in given.items() if name not in dag_params}
    parameters = speller.json_template(others) if find(others, (Item, Metric)) else None
    options = {name: getattr(node, name) for name in _DEFAULTS}
    options = {name: one for name, one in options.items() if one != _DEFAULTS[name]}
    if checks := list(node.checks):
        options["checks"] = speller.json_template(checks) if find(checks, VALUES) else checks
    return {
        "conn_id": node.conn_id,
        "query": node.query,
        "table": node.table,
        "parameters": parameters or speller.template(others),
        "dag_params": dag_params,
        "columns": dict(node.columns),
        "output": speller.template(node.output),
        "history": speller.template(node.history),
        "run_key": speller.template(Run.KEY),
        **options,
        "on_empty": node.on_empty,
        "execution_timeout_seconds": node.timeout_seconds,
    }
