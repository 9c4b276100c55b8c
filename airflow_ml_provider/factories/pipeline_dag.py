"""Pipelines, and the documents of the Airflow target, as DAGs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from importlib import import_module
from itertools import groupby
from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import (
    DAG,
    counts_deferred,
    data_interval_schedule,
    mapped_group,
)
from airflow_ml_provider._compat import account as configured_account
from airflow_ml_provider.operators import run_values
from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import Code
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.plan.nodes import Resource
from airflow_ml_provider.targets.airflow import document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_ml_provider._compat import BaseOperator
    from airflow_ml_provider.pipeline.account import Account
    from airflow_ml_provider.pipeline.pipeline import Pipeline

# Imported where a DAG needs it, so that none pays for the others.
_OPERATORS = {
    "aws_call": "operators.aws_call.AwsCallOperator",
    "choice": "operators.choice.ChoiceOperator",
    "fail": "operators.fail.FailOperator",
    "fallback": "operators.fallback.FallbackOperator",
    "join": "operators.join.JoinOperator",
    "lambda_call": "operators.lambda_call.LambdaCallOperator",
    "map_items": "operators.map_items.MapItemsOperator",
    "model_approval": "sensors.model_approval.ModelApprovalSensor",
    "remote_job": "operators.remote_job.RemoteJobOperator",
    "sql_extract": "operators.sql_extract.SqlExtractOperator",
}
_ASK_AWS = {"aws_call", "lambda_call", "model_approval", "remote_job", "sql_extract"}
_WAIT = {"model_approval", "remote_job"}
_BOUND = "max_active_tis_per_dagrun"
_TIMES = ("execution_timeout", "max_retry_delay", "retry_delay")


def pipeline_dag(
    pipeline: Pipeline,
    *,
    schedule: Any = None,
    start_date: datetime | None = None,
    account: Account | None = None,
    aws_conn_id: str | None = "aws_default",
    region_name: str | None = None,
    deferrable: bool | None = None,
    **dag_options: Any,
) -> DAG:
    """Make the DAG that runs a pipeline; its id is the pipeline's name.

    A cron ``schedule`` gives every run the data interval that just ended, on every version of
    Airflow. ``account`` defaults to the section ``[airflow_ml_provider]`` of Airflow's
    configuration. ``deferrable=None`` defers where a triggerer is there. ``dag_options`` are
    Airflow's own (``catchup``, ``tags``, ``default_args``, ``max_active_runs`` ...).

    :raises PipelineError: if the account leaves out what a request needs.
    """
    return document_dag(
        document(build(pipeline, account or configured_account())),
        schedule=schedule,
        start_date=start_date,
        aws_conn_id=aws_conn_id,
        region_name=region_name,
        deferrable=deferrable,
        **dag_options,
    )


def document_dag(
    described: Mapping[str, Any],
    *,
    schedule: Any = None,
    start_date: datetime | None = None,
    aws_conn_id: str | None = "aws_default",
    region_name: str | None = None,
    deferrable: bool | None = None,
    **dag_options: Any,
) -> DAG:
    """Make the DAG that a document of the Airflow target describes, as ``airflow-ml compile`` does.

    The other arguments are those of :func:`pipeline_dag`.
    """
    macros = {
        "run_key": partial(run_values.run_key, keyed_by=described["keyed_by"]),
        "run_date": run_values.run_date,
        "interval_start": run_values.interval_start,
        "interval_end": run_values.interval_end,
        **dag_options.get("user_defined_macros", {}),
    }
    dag = DAG(
        described["dag_id"],
        schedule=data_interval_schedule(schedule),
        start_date=start_date,
        **{"catchup": False, **dag_options, "user_defined_macros": macros},
    )
    waiting = {} if deferrable is None else {"deferrable": deferrable}
    maker = _Maker(dag, {"aws_conn_id": aws_conn_id, "region_name": region_name}, waiting)
    tasks: dict[str, BaseOperator] = {}
    for group, members in groupby(described["tasks"], key=lambda task: task.get("group")):
        make = partial(_make, maker, list(members), tasks)
        if group is None:
            make()
        else:
            with dag:
                mapped_group(group, tasks[described["maps"][group]], make)
    for task in described["tasks"]:
        tasks[task["task_id"]].set_upstream([tasks[name] for name in task["upstream"]])
    # Set now, they stay with the DAG; each task would have copied, checked and serialised them all.
    for name, default in described["params"].items():
        dag.params.setdefault(name, default)
    return dag


@dataclass(frozen=True)
class _Maker:
    dag: DAG
    connection: Mapping[str, Any]
    waiting: Mapping[str, Any]

    def operator(self, task: Mapping[str, Any]) -> BaseOperator:
        """Make one task of the document."""
        kind, arguments = task["operator"], dict(task["arguments"])
        for name in _TIMES:
            if (seconds := arguments.pop(f"{name}_seconds", None)) is not None:
                arguments[name] = timedelta(seconds=seconds)
        if "code" in arguments:
            arguments["code"] = {name: _code(one) for name, one in arguments["code"].items()}
        if "resource" in arguments:
            arguments["resource"] = Resource(**arguments["resource"])
        if "trigger_rule" in task:
            arguments["trigger_rule"] = task["trigger_rule"]
        if kind in _ASK_AWS:
            arguments |= self.connection
        if kind in _WAIT:
            arguments |= self.waiting
        if kind == "remote_job" and _BOUND in arguments and not counts_deferred():
            arguments["deferrable"] = False  # deferred, its jobs would run all at once
        module, _, name = f"airflow_ml_provider.{_OPERATORS[kind]}".rpartition(".")
        operator = getattr(import_module(module), name)
        made: BaseOperator = operator(task_id=task["task_id"], dag=self.dag, **arguments)
        return made


def _make(
    maker: _Maker, described: list[Mapping[str, Any]], tasks: dict[str, BaseOperator]
) -> None:
    tasks.update({task["task_id"]: maker.operator(task) for task in described})


def _code(described: Mapping[str, Any]) -> Code:
    texts = tuple((name, text) for name, text in described["texts"])
    return Code(tuple(described["files"]), described["form"], texts)
