"""A request as it may look in a run: values replaced by samples, so that it can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.values import (
    Code,
    Dataset,
    History,
    Item,
    JobField,
    Metric,
    Output,
    Parameter,
    ResourceName,
    Run,
    Text,
    Token,
    replace_values,
)

if TYPE_CHECKING:
    from airflow_ml_provider.plan.nodes import Json

_RUN = {
    Run.KEY: "20130829T000000",
    Run.ID: "scheduled__2013-08-29T00:00:00+00:00",
    Run.DATE: "2013-08-29",
    Run.INTERVAL_START: "2013-08-29T00:00:00+00:00",
    Run.INTERVAL_END: "2013-08-30T00:00:00+00:00",
}


def sample(request: Json) -> dict[str, Any]:
    """Replace each value of the run by one of its form; parameters by their defaults."""
    replaced: dict[str, Any] = replace_values(request, _sample)
    return replaced


def _sample(value: Any) -> Any:  # noqa: PLR0911 - a line a value
    if isinstance(value, Parameter):
        return value.default
    if isinstance(value, Run):
        return _RUN[value]
    if isinstance(value, (Output, Dataset, History, JobField, Code)):
        return "s3://bucket/sample"
    if isinstance(value, (ResourceName, Item)):
        return "sample"
    if isinstance(value, Metric):
        return 0.5
    if isinstance(value, Token):
        return "0" * 32
    assert isinstance(value, Text), value  # noqa: S101 - VALUES has no other
    return "".join(str(replace_values(part, _sample)) for part in value.parts)
