"""The Airflow target: a plan as a DAG of operators."""

from __future__ import annotations

from dataclasses import field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import DAG, data_interval_schedule
from airflow_ml_provider._compat import account as configured_account
from airflow_ml_provider.factories.condition import spell_condition
from airflow_ml_provider.operators import run_values
from airflow_ml_provider.operators.aws_call import AwsCallOperator
from airflow_ml_provider.operators.choice import ChoiceOperator
from airflow_ml_provider.operators.remote_job import RemoteJobOperator
from airflow_ml_provider.operators.spell import spell
from airflow_ml_provider.operators.sql_extract import SqlExtractOperator
from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import Parameter
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.plan.nodes import Call, Choice, Extract, Job

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_ml_provider._compat import BaseOperator
    from airflow_ml_provider.pipeline.account import Account
    from airflow_ml_provider.pipeline.pipeline import Pipeline
    from airflow_ml_provider.pipeline.step import Retry
    from airflow_ml_provider.pipeline.values import Code
    from airflow_ml_provider.plan.nodes import Block, Node, Plan, Resource


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
    plan = build(pipeline, account or configured_account())
    dag = DAG(
        pipeline.name,
        schedule=data_interval_schedule(schedule),
        start_date=start_date,
        **{
            "catchup": False,
            **dag_options,
            "user_defined_macros": {
                "run_key": partial(run_values.run_key, keyed_by=plan.keyed_by),
                "run_date": run_values.run_date,
                "interval_start": run_values.interval_start,
                "interval_end": run_values.interval_end,
                **dag_options.get("user_defined_macros", {}),
            },
        },
    )
    target = _Target(
        plan,
        dag,
        {"aws_conn_id": aws_conn_id, "region_name": region_name},
        {} if deferrable is None else {"deferrable": deferrable},
    )
    target.add(plan.nodes)
    # Set now, they stay with the DAG; each task would have copied, checked and serialised them all.
    for parameter in plan.parameters:
        dag.params.setdefault(parameter.name, parameter.default)
    return dag


@dataclass(frozen=True)
class _Target:
    plan: Plan
    dag: DAG
    connection: Mapping[str, Any]
    waiting: Mapping[str, Any]
    tasks: dict[str, BaseOperator] = field(default_factory=dict)

    def add(self, block: Block, gate: BaseOperator | None = None) -> None:
        """Make the tasks of a block; those that wait for no other one follow the gate."""
        first = [] if gate is None else [gate]
        for node in block:
            self.tasks[node.name] = self._operator(node)
        for node in block:
            task = self.tasks[node.name]
            task.set_upstream([self.tasks[name] for name in node.after] or first)
            if isinstance(node, Choice):
                self.add((*node.then, *node.otherwise), gate=task)

    def _operator(self, node: Node) -> BaseOperator:
        if isinstance(node, Choice):
            return ChoiceOperator(
                task_id=node.name,
                dag=self.dag,
                when=spell_condition(node.when),
                then=_first(node.then),
                otherwise=_first(node.otherwise),
            )
        if not isinstance(node, (Job, Call, Extract)):
            message = f"step {node.name!r} is a {type(node).__name__}, which has no operator yet"
            raise TypeError(message)
        common = {"task_id": node.name, "dag": self.dag, **self.connection, **_retries(node.retry[0])}
        if isinstance(node, Extract):
            dag_params = {
                name: value.name
                for name, value in node.parameters.items()
                if isinstance(value, Parameter)
            }
            parameters = {k: v for k, v in node.parameters.items() if k not in dag_params}
            return SqlExtractOperator(
                **common,
                conn_id=node.conn_id,
                query=node.query,
                table=node.table,
                parameters=self._spell(parameters),
                dag_params=dag_params,
                columns=node.columns,
                output=self._spell(node.output),
                on_empty=node.on_empty,
                execution_timeout=timedelta(seconds=node.timeout_seconds),
            )
        if isinstance(node, Call):
            return AwsCallOperator(
                **common,
                service=node.service,
                action=node.action,
                request=self._spell(node.request),
                resource=self._resource(node),
            )
        return self._job(node, {**common, **self.waiting})

    def _job(self, node: Job, common: Mapping[str, Any]) -> RemoteJobOperator:
        outputs = self._spell(node.outputs)
        codes: dict[str, Code] = {}
        report = node.report
        return RemoteJobOperator(
            **common,
            kind=node.kind,
            request=self._spell(node.request, codes),
            code=codes,
            code_folder=str(self.plan.folder),
            code_root=self.plan.root,
            report=None if report is None else outputs[report.output] + report.file,
            outputs=outputs,
            timeout_seconds=node.timeout_seconds,
        )

    def _resource(self, node: Call) -> Resource | None:
        if node.resource is None:
            return None
        spelled = self._spell({"key": node.resource.key, "request": node.resource.request})
        return replace(node.resource, **spelled)

    def _spell(self, value: Any, codes: dict[str, Code] | None = None) -> Any:
        root, name = self.plan.root, self.plan.name
        return spell(value, plan_root=root, pipeline_name=name, codes=codes)


def _first(block: Block) -> list[str]:
    return [node.name for node in block if not node.after]


def _retries(retry: Retry) -> dict[str, Any]:
    return {
        "retries": retry.attempts,
        "retry_delay": timedelta(seconds=retry.interval_seconds),
        "retry_exponential_backoff": retry.backoff > 1,
        "max_retry_delay": timedelta(seconds=retry.max_delay_seconds),
    }
