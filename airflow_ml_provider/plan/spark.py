"""A Spark step as a run of Glue or of EMR Serverless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.data_steps import Glue
from airflow_ml_provider.pipeline.values import Code, Text
from airflow_ml_provider.plan.place import as_texts, merged, present

if TYPE_CHECKING:
    from airflow_ml_provider.pipeline.data_steps import EmrServerless, SparkTransform
    from airflow_ml_provider.plan.nodes import Json
    from airflow_ml_provider.plan.place import Place


def spark_request(step: SparkTransform, place: Place) -> tuple[str, Json]:
    """Give the job kind and the request that runs the step's script."""
    if isinstance(step.on, Glue):
        return "glue", merged(_glue(step, step.on, place), step.overrides)
    return "emr_serverless", merged(_emr_serverless(step, step.on, place), step.overrides)


def _options(step: SparkTransform, place: Place) -> dict[str, Any]:
    outputs = {name: place.output(step.name, name) for name in step.outputs}
    options = {**step.inputs, **outputs, **as_texts(step.arguments)}
    return {f"--{name}": value for name, value in options.items()}


def _modules(step: SparkTransform) -> Any:
    uris: list[Any] = []
    for module in step.modules:
        uris += [",", Code((module,), "file")] if uris else [Code((module,), "file")]
    return Text.of(*uris) if uris else None


def _glue(step: SparkTransform, on: Glue, place: Place) -> dict[str, Any]:
    # --scriptLocation replaces the stored job's script for this run alone, so two runs with
    # different code never change the stored job under each other.
    # https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
    script = Code((step.script,), "file")
    conf = " --conf ".join(f"{key}={value}" for key, value in sorted(step.conf.items()))
    special = present(
        **{
            "--scriptLocation": script,
            "--extra-py-files": _modules(step),
            "--conf": conf,
            "--enable-continuous-cloudwatch-log": "true",
        }
    )
    definition: dict[str, Any] = {
        "Role": place.role(on.role_arn),
        "Command": {"Name": "glueetl", "ScriptLocation": script, "PythonVersion": "3"},
        "GlueVersion": on.version,
        "WorkerType": on.worker_type,
        "NumberOfWorkers": on.workers,
        # Runs of different data intervals may overlap; Glue's own default is one.
        "ExecutionProperty": {"MaxConcurrentRuns": 20},
    }
    if place.account.tags:
        definition["Tags"] = dict(sorted(place.account.tags.items()))
    return {
        "JobName": on.job_name or f"{place.job_prefix}{step.name}",
        "Definition": merged(definition, on.definition),
        "Arguments": {**special, **_options(step, place)},
        "WorkerType": on.worker_type,
        "NumberOfWorkers": on.workers,
        "Timeout": -(-step.timeout_seconds // 60),
    }


def _emr_serverless(step: SparkTransform, on: EmrServerless, place: Place) -> dict[str, Any]:
    conf = [f"--conf {key}={value}" for key, value in sorted(step.conf.items())]
    modules = _modules(step)
    parameters: Any = " ".join(conf)
    if modules is not None:
        parameters = Text.of(*(f"{item} " for item in conf), "--py-files ", modules)
    arguments: list[Any] = []
    for option, value in _options(step, place).items():
        arguments += [option, value]
    return {
        "applicationId": on.application_id,
        "executionRoleArn": place.role(on.role_arn),
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": Code((step.script,), "file"),
                "entryPointArguments": arguments,
                **present(sparkSubmitParameters=parameters),
            }
        },
        "configurationOverrides": {
            "monitoringConfiguration": {
                "cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": on.log_group}
            }
        },
        "executionTimeoutMinutes": -(-step.timeout_seconds // 60),
        **present(tags=dict(sorted(place.account.tags.items()))),
    }
