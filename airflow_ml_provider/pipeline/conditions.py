"""Conditions of a choice: comparisons joined by ``&``, ``|`` and ``~``."""

from __future__ import annotations

from typing import NoReturn

from airflow_ml_provider.pipeline.frozen import dataclass

OPERATORS = ("<", "<=", ">", ">=")


class Condition:
    """What is true or false once the run is there."""

    def __and__(self, other: Condition) -> AllOf:
        return AllOf((self, other))

    def __or__(self, other: Condition) -> AnyOf:
        return AnyOf((self, other))

    def __invert__(self) -> Not:
        return Not(self)

    def __bool__(self) -> NoReturn:
        # `a and b` would silently drop `a`, and `0.6 < x < 0.9` its left half.
        message = "a condition has no truth value yet: join conditions with &, | and ~"
        raise TypeError(message)


@dataclass(frozen=True)
class Comparison(Condition):
    """``left operator right``; each side is a number, a metric or a parameter."""

    operator: str
    left: object
    right: object


@dataclass(frozen=True)
class AllOf(Condition):
    """True if every one of ``conditions`` is."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf(Condition):
    """True if one of ``conditions`` is."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Not(Condition):
    """True if ``condition`` is not."""

    condition: Condition
