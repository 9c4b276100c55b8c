"""What is wrong with a map, an approval, a call or an end by failure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.call_steps import AwsCall, LambdaCall
from airflow_ml_provider.pipeline.control_steps import Approval, Choice, Fail, Map, Notify
from airflow_ml_provider.pipeline.data_steps import SqlExtract
from airflow_ml_provider.pipeline.model_steps import Model, RegisterModel
from airflow_ml_provider.pipeline.step import Retry
from airflow_ml_provider.pipeline.values import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.pipeline.step import Step

_SERVICE = re.compile(r"[a-z][a-z0-9-]*")
# https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html
_DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")
_ACTION = re.compile(r"[a-z][a-z0-9_]*")

_WITHOUT_JOB = (
    *(Choice, Map, Approval, Fail, Notify, AwsCall, LambdaCall),
    *(RegisterModel, Model, SqlExtract),
)


def control_problems(step: Step) -> Iterator[str]:
    """Name the problems of a step that only steers, and none of any other."""
    if not isinstance(step, (Choice, Map, Approval, Fail)):
        return
    kind = type(step).__name__
    for field, default in (("retry", Retry()), ("fallback", ()), ("overrides", {})):
        if getattr(step, field) != default:
            yield f"{field}: a {kind} has none; give it to the steps that do the work"
    if isinstance(step, Map):
        yield from _map_problems(step)
    elif isinstance(step, Approval):
        if step.model is not None and not isinstance(step.model, RegisterModel):
            yield f"model: {step.model!r} is no RegisterModel step; give the one that is waited for"
        if step.poll_seconds <= 0:
            yield f"poll_seconds: {step.poll_seconds} must be above 0"


def cache_problems(step: Step) -> Iterator[str]:
    """Name what is wrong with the ``cache`` of a step."""
    if step.cache is None:
        return
    if isinstance(step, _WITHOUT_JOB):
        yield f"cache: a {type(step).__name__} is no job, whose result could be taken again"
    elif not _DURATION.fullmatch(step.cache):
        yield f"cache: {step.cache!r} is no ISO 8601 duration; write 7 days as 'P7D'"


def call_problems(step: Step) -> Iterator[str]:
    """Name the problems of a call, and none of any other step."""
    if isinstance(step, AwsCall):
        if step.service and not _SERVICE.fullmatch(step.service):
            yield f"service: {step.service!r} is no client of boto3; write it as 'dynamodb'"
        if step.action and not _ACTION.fullmatch(step.action):
            yield f"action: {step.action!r} is no method of boto3; write it as 'put_item'"
        if not isinstance(step.request, Mapping):
            yield f"request: {step.request!r} is no mapping of parameters"
    elif isinstance(step, LambdaCall):
        if not isinstance(step.payload, Mapping):
            yield f"payload: {step.payload!r} is no mapping"
        if step.overrides:
            yield "overrides: a LambdaCall has no request; write it into the payload"


def is_json(value: object) -> bool:
    """Whether a value is JSON: no value of the run in it, no number that is none."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return all(is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_json(item) for key, item in value.items())
    return value is None or isinstance(value, (str, int))


def _map_problems(step: Map) -> Iterator[str]:
    items = step.items
    if isinstance(items, Parameter):
        if not isinstance(items.default, (list, tuple)):
            yield f"items: the default of {items.name!r} is {items.default!r}; give it a list"
    elif not isinstance(items, (list, tuple)):
        yield f"items: {items!r} is neither a list nor a parameter"
    else:
        for number, item in enumerate(items):
            if not is_json(item):
                yield f"items: item {number} is {item!r}, which is no JSON"
    if step.concurrency < 0:
        yield f"concurrency: {step.concurrency} must be 0 (no limit) or more"
