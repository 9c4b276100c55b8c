"""What is wrong with a definition, all of it at once and before anything starts."""

from __future__ import annotations

import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.conditions import OPERATORS, Comparison
from airflow_ml_provider.pipeline.control_checks import (
    cache_problems,
    call_problems,
    control_problems,
    is_json,
)
from airflow_ml_provider.pipeline.control_steps import Choice, Notify
from airflow_ml_provider.pipeline.data_steps import SparkTransform, SqlExtract
from airflow_ml_provider.pipeline.extract_checks import check_problems
from airflow_ml_provider.pipeline.extract_options import (
    is_sql_file,
    option_problems,
    query_problems,
)
from airflow_ml_provider.pipeline.glue_checks import on_problems
from airflow_ml_provider.pipeline.model_checks import model_problems
from airflow_ml_provider.pipeline.model_steps import (
    PROBLEMS,
    Evaluation,
    Model,
    Processing,
    Training,
)
from airflow_ml_provider.pipeline.references import LOCATION, reference_problems, scopes_of
from airflow_ml_provider.pipeline.s3_address import address_problem, root_problem
from airflow_ml_provider.pipeline.step import ERRORS, Step
from airflow_ml_provider.pipeline.values import Metric, Parameter, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_ml_provider.pipeline.pipeline import Pipeline
    from airflow_ml_provider.pipeline.references import Held

# SageMaker allows 64 characters in a step name, Step Functions 80, Airflow 250; a job's name
# (63) also holds a hash, so a step's name is cut there but stays readable.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


def problems_of(pipeline: Pipeline) -> list[str]:
    """Name every problem: step, field, what was given, the mend."""
    steps = list(pipeline.all_steps())
    by_name = {step.name: step for step in steps}
    scopes = dict(scopes_of(pipeline.steps))
    held = [value for step in steps for value in pipeline.held(step)]
    problems = [*_pipeline_problems(pipeline), *_duplicates(steps), *_parameter_problems(held)]
    for step in steps:
        problems += [
            f"step {step.name!r}: {problem}"
            for problem in (
                *_own_problems(step, pipeline),
                *reference_problems(step, pipeline.held(step), by_name, scopes),
            )
        ]
    problems += _cycle(pipeline.needs)
    return problems


def _pipeline_problems(pipeline: Pipeline) -> Iterator[str]:
    if not _NAME.fullmatch(pipeline.name):
        yield f"name: {pipeline.name!r} must be a letter, then at most 62 letters, digits, - or _"
    if pipeline.root is not None and (problem := root_problem(pipeline.root)):
        yield problem
    if pipeline.keyed_by not in {"interval", "execution"}:
        yield f"keyed_by: {pipeline.keyed_by!r} must be 'interval' or 'execution'"
    if pipeline.on_empty not in {"fail", "skip", "continue"}:
        yield f"on_empty: {pipeline.on_empty!r} must be 'fail', 'skip' or 'continue'"
    if not pipeline.steps:
        yield "steps: none; a pipeline needs at least one step"


def _duplicates(steps: Sequence[Step]) -> Iterator[str]:
    for name, count in Counter(step.name for step in steps).items():
        if count > 1:
            yield f"step {name!r}: {count} steps have this name; give each its own"


def _parameter_problems(held: Sequence[Held]) -> Iterator[str]:
    defaults: dict[str, set[str]] = {}
    for value in held:
        if isinstance(value, Parameter):
            defaults.setdefault(value.name, set()).add(repr(value.default))
            if not is_json(value.default):
                yield f"parameter {value.name!r}: the default {value.default!r} is no JSON"
    for name, values in defaults.items():
        if not name.isidentifier():
            yield f"parameter {name!r}: the name must be a Python identifier"
        if len(values) > 1:
            given = ", ".join(sorted(values))
            yield f"parameter {name!r}: it has several defaults ({given}); give it one"


def _own_problems(step: Step, pipeline: Pipeline) -> Iterator[str]:
    if not _NAME.fullmatch(step.name):
        yield f"name: {step.name!r} must be a letter, then at most 62 letters, digits, - or _"
    for field in step.missing:
        yield f"{field}: missing; give {type(step).__name__}({field}=...)"
    if step.timeout_seconds <= 0:
        yield f"timeout_seconds: {step.timeout_seconds} must be above 0"
    yield from _retry_problems(step)
    yield from _output_problems(step)
    yield from control_problems(step)
    yield from call_problems(step)
    yield from cache_problems(step)
    yield from model_problems(step)
    yield from on_problems(step, pipeline.on_empty)
    if isinstance(step, SqlExtract):
        yield from _extract_problems(step, pipeline)
    elif isinstance(step, (SparkTransform, Processing, Training, Evaluation)):
        yield from _script_problems((step.script, *step.modules), pipeline)
        yield from _input_problems(step.inputs)
        yield from _option_problems(step)
    elif isinstance(step, Model):
        yield from _script_problems((step.script, *step.modules), pipeline)
    elif isinstance(step, Choice):
        yield from _choice_problems(step)
    elif isinstance(step, Notify):
        yield from _topic_problems(step)


def _retry_problems(step: Step) -> Iterator[str]:
    open_errors = set(ERRORS)
    for retry in step.retries:
        if retry.attempts < 0 or retry.interval_seconds < 0 or retry.backoff < 1:
            yield f"retry: {retry} needs attempts and interval_seconds >= 0 and backoff >= 1"
        if retry.max_delay_seconds < 1:
            yield f"retry: {retry} needs max_delay_seconds >= 1"
        errors = set(ERRORS if retry.errors is None else retry.errors)
        if strange := sorted(errors - set(ERRORS)):
            yield f"retry: errors has {', '.join(map(repr, strange))}; allowed are {ERRORS} or None"
        elif not errors & open_errors:
            yield f"retry: {retry} is never used: the entries before it take all of its errors"
        open_errors -= errors


def _output_problems(step: Step) -> Iterator[str]:
    names = step.output_names
    for name, count in Counter(names).items():
        if not LOCATION.fullmatch(name):
            yield f"outputs: {name!r} must be letters, digits, - or _"
        if count > 1:
            yield f"outputs: {name!r} is there {count} times"
    if isinstance(step, Evaluation) and step.problem not in PROBLEMS:
        yield f"problem: {step.problem!r} is none of {', '.join(PROBLEMS)}"
    report = step.metrics_report
    if report is not None and report.output not in names:
        yield f"report: {report.output!r} is none of its outputs {list(names)}"


def _topic_problems(step: Notify) -> Iterator[str]:
    if isinstance(step.topic_arn, str) and not re.match(r"arn:[a-z-]+:sns:", step.topic_arn):
        yield f"topic_arn: {step.topic_arn!r} is no ARN of an SNS topic"


def _extract_problems(step: SqlExtract, pipeline: Pipeline) -> Iterator[str]:
    yield from option_problems(step, step.parameters)
    for field in ("query", "table"):
        text = getattr(step, field)
        if text is not None and not isinstance(text, str):
            yield f"{field}: {text!r} is no text; give what a run brings in parameters="
    yield from check_problems(step.checks)
    if step.query is not None and step.table is None and is_sql_file(step.query):
        problems = [*_file_problems("query", step.query, pipeline)]
        yield from problems or _file_query_problems(step, pipeline.path(step.query))


def _file_query_problems(step: SqlExtract, file: Path) -> Iterator[str]:
    try:
        query = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield f"query: {step.query} can't be read as UTF-8: {error}"
    else:
        yield from query_problems(query, step.parameters, step.watermark)


def _script_problems(files: Sequence[str], pipeline: Pipeline) -> Iterator[str]:
    for position, file in enumerate(files):
        if file:
            yield from _file_problems("modules" if position else "script", file, pipeline)


def _file_problems(field: str, file: str, pipeline: Pipeline) -> Iterator[str]:
    if pipeline.folder is None and not Path(file).is_absolute():
        yield f"{field}: {file!r} is relative; give Pipeline(folder=Path(__file__).parent)"
    elif not pipeline.path(file).is_file():
        yield f"{field}: {str(pipeline.path(file))!r} does not exist"


def _input_problems(inputs: Mapping[str, object]) -> Iterator[str]:
    for name, value in inputs.items():
        if not LOCATION.fullmatch(name):
            yield f"inputs: the name {name!r} must be letters, digits, - or _"
        mend = "give s3://<bucket>/<key> or the output of a step"
        if isinstance(value, str) and (problem := address_problem(value, mend)):
            yield f"inputs: {name!r} is {value!r}; {problem}"
        if isinstance(value, Step):
            yield f"inputs: {name!r} is the step {value.name!r}; refer to its output"


def _option_problems(step: SparkTransform | Processing | Training | Evaluation) -> Iterator[str]:
    if isinstance(step, Training):
        return
    options = [*step.arguments]
    if isinstance(step, SparkTransform):
        options += [*step.inputs, *step.outputs]
    for name, count in Counter(options).items():
        if count > 1:
            yield f"arguments: --{name} is given {count} times, by inputs, outputs or arguments"


def _choice_problems(step: Choice) -> Iterator[str]:
    if not step.then and not step.otherwise:
        yield "then: neither then nor otherwise holds a step"
    for item in find(step.when, (Comparison,)):
        if item.operator not in OPERATORS:
            yield f"when: {item.operator!r} is none of {', '.join(OPERATORS)}"
        for side in (item.left, item.right):
            number = isinstance(side, (int, float)) and not isinstance(side, bool)
            if not number and not isinstance(side, (Metric, Parameter)):
                yield f"when: {side!r} is neither a number, a metric nor a parameter"


def _cycle(needs: Mapping[str, set[str]]) -> Iterator[str]:
    try:
        TopologicalSorter(
            {name: [other for other in others if other in needs] for name, others in needs.items()}
        ).prepare()
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        yield f"steps: they wait for each other: {path}; break the circle"
