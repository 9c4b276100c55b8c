"""The parameters of a pipeline, and the values that an execution gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_ml_provider.local.protocol import Json

_TYPES: dict[str, type[Any] | tuple[type[Any], ...]] = {
    "String": str,
    "Integer": int,
    "Float": (int, float),
    "Boolean": bool,
}


@dataclass(frozen=True)
class Parameter:
    """A parameter; ``default`` is None if it must be given, ``allowed`` None if it takes any."""

    name: str
    type: str
    default: Any
    allowed: tuple[Any, ...] | None

    def read(self, text: str) -> Any:
        """Return the value that a text stands for; all values are sent as text.

        Raises:
            ValueError: if it is none of this parameter's.

        """
        try:
            value = as_type(text, self.type)
        except ValueError as error:
            raise ValueError(
                f"Cannot assign value {text!r} to parameter {self.name!r} of type {self.type}"
            ) from error
        if self.allowed is not None and value not in self.allowed:
            raise ValueError(
                f"Cannot assign value {text!r} to parameter {self.name!r}: it takes one of "
                f"{list(self.allowed)}"
            )
        return value


def as_type(text: str, kind: str) -> Any:
    """Return a text as a String, Integer, Float or Boolean.

    Raises:
        ValueError: if it isn't one.

    """
    read: dict[str, Callable[[str], Any]] = {"Integer": int, "Float": float, "Boolean": _boolean}
    return read.get(kind, str)(text)


def _boolean(text: str) -> bool:
    found = {"true": True, "false": False}.get(text.lower())
    if found is None:
        raise ValueError(text)
    return found


def parameter(content: Json) -> Parameter:
    """Read a parameter of a definition.

    Raises:
        ValueError: if it isn't one.

    """
    name, kind = content["Name"], content["Type"]
    default, allowed = content.get("DefaultValue"), content.get("EnumValues")
    if kind not in _TYPES:
        raise ValueError(f"parameter {name!r} has the unknown type {kind!r}; known: {list(_TYPES)}")
    for value in [*([] if default is None else [default]), *(allowed or ())]:
        wrong = isinstance(value, bool) != (kind == "Boolean")
        if wrong or not isinstance(value, _TYPES[kind]):
            raise ValueError(f"parameter {name!r} of type {kind} can't have the value {value!r}")
    if allowed is not None and default is not None and default not in allowed:
        raise ValueError(f"the default {default!r} of parameter {name!r} is not in {allowed}")
    return Parameter(name, kind, default, None if allowed is None else tuple(allowed))


def values(parameters: Iterable[Parameter], given: Mapping[str, str]) -> tuple[Json, list[str]]:
    """Return (the value of every parameter, all that is wrong with what was given)."""
    known = {parameter.name: parameter for parameter in parameters}
    undefined = [name for name in given if name not in known]
    problems = [f"Cannot assign values to undefined parameters: {undefined}"] if undefined else []
    found: Json = {}
    for name, item in known.items():
        if name in given:
            try:
                found[name] = item.read(given[name])
            except ValueError as error:
                problems.append(str(error))
        else:
            found[name] = item.default
    missing = [name for name, value in found.items() if value is None]
    if missing:
        problems.append(f"Values must be given for the parameters without a default: {missing}")
    return found, problems
