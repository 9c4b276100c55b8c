"""Where a step stands when it becomes a request: its account, its paths, its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import Item, JobField, Metric, Output, Parameter, Text

if TYPE_CHECKING:
    from airflow_ml_provider.pipeline.account import Account

# The APIs take text and nothing else in these.
_TEXTS = frozenset(
    {
        "Arguments",
        "ContainerArguments",
        "ContainerEntrypoint",
        "DefaultArguments",
        "Environment",
        "HyperParameters",
        "StaticHyperParameters",
        "entryPointArguments",
    }
)


@dataclass(frozen=True)
class Place:
    """``job_prefix`` begins the names of stored jobs; ``outputs`` are given paths by output name.

    A step of a pipeline has derived paths, so its ``outputs`` is empty; an operator in a
    hand-written DAG is given the URIs.
    """

    account: Account
    job_prefix: str
    outputs: Mapping[str, Any]

    def output(self, step: str, name: str) -> Any:
        """Give the S3 prefix of one output."""
        return self.outputs.get(name, Output(step, name))

    def role(self, own: str | None) -> str:
        """Give the role of a job: its own or the account's; empty where there is none."""
        return own or self.account.role_arn or ""

    def tag_list(self) -> list[dict[str, str]]:
        """Give the account's tags as SageMaker spells them."""
        return [{"Key": key, "Value": value} for key, value in sorted(self.account.tags.items())]


def merged(request: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Merge overrides into a request: objects field by field, everything else replaced."""
    result = dict(request)
    for key, value in overrides.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def present(**fields: Any) -> dict[str, Any]:
    """Keep the fields of a request that have something in them."""
    return {key: value for key, value in fields.items() if value or isinstance(value, (int, float))}


def as_text(value: Any) -> Any:
    """Give a value of an argument, a hyperparameter or an environment variable as AWS has it: text.

    Numbers and booleans are spelled as in JSON; of values of the run, those that may be numbers are
    put into ``Text``.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    return Text.of(value) if isinstance(value, (Parameter, Metric, JobField, Item)) else value


def with_texts(request: Any, *, inside: bool = False) -> Any:
    """Copy a request with numbers as text where AWS takes nothing else, as in an environment."""
    if isinstance(request, Mapping):
        return {
            key: with_texts(item, inside=inside or key in _TEXTS) for key, item in request.items()
        }
    if isinstance(request, (list, tuple)):
        return [with_texts(item, inside=inside) for item in request]
    return as_text(request) if inside else request


def as_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give each of the values as text."""
    return {name: as_text(value) for name, value in values.items()}
