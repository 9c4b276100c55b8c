"""The values of the run: environment variables into the placeholders of the step."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.token import token_prefix
from airflow_ml_provider.worker.errors import StepError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def filled(value: Any, variables: Mapping[str, str], token: str = "") -> Any:
    """Copy JSON with each placeholder replaced by its value, of its own type.

    :raises StepError: a variable is missing or of another type.
    """
    if isinstance(value, list):
        return [filled(item, variables, token) for item in value]
    if not isinstance(value, dict):
        return value
    if "$value" in value:
        return _value(value["$value"], value["type"], variables)
    if "$text" in value:
        return "".join(_part(part, variables, token) for part in value["$text"])
    if "$token" in value:
        return token
    return {key: filled(item, variables, token) for key, item in value.items()}


def token_of(identity: Sequence[str]) -> str:
    """Give the prefix of what is started exactly once; every try of a step has the same one."""
    return token_prefix("-".join(identity[:2]), identity)


def _part(part: Any, variables: Mapping[str, str], token: str) -> str:
    if isinstance(part, dict) and "$value" in part:
        # In a text a value stands as the orchestrator spelled it.
        return _variable(part["$value"], variables)
    return str(filled(part, variables, token))


def _value(name: str, kind: str, variables: Mapping[str, str]) -> Any:
    text = _variable(name, variables)
    try:
        return _PARSE[kind](text)
    except ValueError:
        message = f"environment variable {name} is {text!r}, which is no {kind}"
        raise StepError(message) from None


def _variable(name: str, variables: Mapping[str, str]) -> str:
    if name not in variables:
        message = f"environment variable {name} is missing; the orchestrator has to give it"
        raise StepError(message)
    return variables[name]


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)  # 5.0, as JSON may spell 5
        if not number.is_integer():
            raise
        return int(number)


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError
    return number


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


_PARSE: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
