"""What is wrong with a model, its tuning or its batch transform."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.model_steps import (
    CategoricalRange,
    ContinuousRange,
    IntegerRange,
    Model,
    RegisterModel,
    Transform,
    Tuning,
)
from airflow_ml_provider.pipeline.s3_address import address_problem
from airflow_ml_provider.pipeline.step import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTuningJobConfig.html
_CHOICES = {
    Tuning: {
        "objective_type": ("Maximize", "Minimize"),
        "strategy": ("Bayesian", "Random", "Grid"),
    },
    Transform: {
        "split_type": ("None", "Line", "RecordIO", "TFRecord"),
        "strategy": ("MultiRecord", "SingleRecord"),
        "assemble_with": ("None", "Line"),
    },
}
_SCALES = ("Auto", "Linear", "Logarithmic", "ReverseLogarithmic")
_MAX_RANGES = 30
_MAX_VALUES = 30
_MIN_SECONDS = 120
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackageGroup.html
_GROUP = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


def model_problems(step: Step) -> Iterator[str]:
    """Name the problems of such a step, and none of any other."""
    for field, allowed in _CHOICES.get(type(step), {}).items():
        given = getattr(step, field)
        if given not in allowed:
            yield f"{field}: {given!r} is none of {', '.join(allowed)}"
    if isinstance(step, Model):
        yield from _uri_problems("artifact", step.artifact)
    elif isinstance(step, Transform):
        yield from _uri_problems("data", step.data)
        if isinstance(step.model, Step) and not isinstance(step.model, Model):
            kind = type(step.model).__name__
            yield f"model: {step.model.name!r} is a {kind}; give a Model step with its artifact"
    elif isinstance(step, Tuning):
        yield from _search_problems(step)
    elif isinstance(step, RegisterModel):
        yield from _group_problems(step.group)


def _group_problems(group: Any) -> Iterator[str]:
    if isinstance(group, str) and group and not _GROUP.fullmatch(group):
        yield f"group: {group!r} must be 1 to 63 letters, digits and dashes, no dash at an end"


def _uri_problems(field: str, value: Any) -> Iterator[str]:
    mend = "give s3://<bucket>/<key> or a step's output"
    if isinstance(value, str) and value and (problem := address_problem(value, mend)):
        yield f"{field}: {value!r} is no S3 address; {problem}"
    if isinstance(value, Step):
        yield f"{field}: {value.name!r} is a step; refer to its output or artifact"


def _search_problems(step: Tuning) -> Iterator[str]:
    if step.objective and step.objective not in step.metrics:
        names = ", ".join(step.metrics) or "none"
        yield f"objective: {step.objective!r} is no metric; metrics has {names}"
    for field in ("max_jobs", "parallel_jobs"):
        number = getattr(step, field)
        if isinstance(number, int) and number < 1:
            yield f"{field}: {number} must be above 0"
    if step.timeout_seconds < _MIN_SECONDS:
        yield f"timeout_seconds: {step.timeout_seconds} is less than SageMaker's {_MIN_SECONDS}"
    if len(step.ranges) > _MAX_RANGES:
        yield f"ranges: {len(step.ranges)} are more than SageMaker's {_MAX_RANGES}"
    for name, given in step.ranges.items():
        if name in step.hyperparameters:
            yield f"ranges: {name!r} is in hyperparameters too; give it once"
        yield from (f"ranges: {name!r} {problem}" for problem in _range_problems(step, given))


def _range_problems(step: Tuning, given: Any) -> Iterator[str]:
    if isinstance(given, CategoricalRange):
        if not 1 <= len(given.values) <= _MAX_VALUES:
            yield f"has {len(given.values)} values; SageMaker takes 1 to {_MAX_VALUES}"
        return
    if not isinstance(given, (ContinuousRange, IntegerRange)):
        yield f"is {given!r}; give a ContinuousRange, IntegerRange or CategoricalRange"
        return
    if step.strategy == "Grid":
        yield "is no CategoricalRange, as the strategy Grid needs"
    if given.scaling_type not in _SCALES:
        yield f"has scaling_type {given.scaling_type!r}, which is none of {', '.join(_SCALES)}"
    bounds = [given.min_value, given.max_value]
    if all(isinstance(bound, (int, float)) for bound in bounds):
        if given.min_value > given.max_value:
            yield f"has min_value {given.min_value} above max_value {given.max_value}"
        if isinstance(given, IntegerRange) and not all(isinstance(one, int) for one in bounds):
            yield f"has {given.min_value} and {given.max_value}; an IntegerRange has integers"
        if given.scaling_type == "Logarithmic" and given.min_value <= 0:
            yield f"has min_value {given.min_value}; on a Logarithmic scale it is above 0"
