"""Values of the run as JSONPath and intrinsic functions.

https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import (
    VALUES,
    Item,
    JobField,
    Metric,
    Parameter,
    ResourceName,
    Run,
    Text,
    Token,
)
from airflow_ml_provider.targets.data_paths import PATHS, Position, path_parts
from airflow_ml_provider.targets.step_functions import paths
from airflow_ml_provider.targets.step_functions.facts import answered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.targets.step_functions.facts import Facts

MAX_CALLS = 10
"""Intrinsic functions that one field may hold, nested ones counted."""
# Whoever redrives an execution lets its tries begin again at 0.
_TRY = ("$$.Execution.RedriveCount", "$$.State.RetryCount")


@dataclass(frozen=True)
class Expression:
    """A JSONPath or an intrinsic function; ``calls`` counts the functions in it."""

    text: str
    calls: int = 0
    is_text: bool = True


_INDEX = Expression(paths.INDEX, is_text=False)
_HASH = Expression(paths.below(paths.RUN, "hash"))


class Speller:
    """Spells what one step's states hold.

    ``values`` is what must be worked out by a state before, into ``$.values``: an array may hold no
    template, and a field at most ten functions.
    """

    def __init__(self, facts: Facts, step: str) -> None:
        self.values: dict[str, Any] = {}
        self.step = step
        self._facts = facts

    def template(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Spell an object: a field whose value is only known in the run is called ``<name>.$``."""
        spelled: dict[str, Any] = {}
        for key, value in fields.items():
            one = self._json(value)
            if isinstance(one, Expression):
                spelled[f"{key}.$"] = one.text
            else:
                spelled[key] = one
        return spelled

    def path(self, value: Any) -> str:
        """Give the path of a value that is one field of the state, such as a metric."""
        path: str = self._value(value).text
        return path

    def s3_object(self, prefix: Any, file: str) -> dict[str, Any]:
        """Spell ``Bucket`` and ``Key`` of a file below an S3 prefix of the plan."""
        parts = [*self._parts(prefix), file]
        bucket, _, parts[0] = parts[0].removeprefix("s3://").partition("/")
        key = self._joined(parts)
        return {"Bucket": bucket, **self.template({"Key": key})}

    def text(self, value: Any) -> str | Expression:
        """Spell a value as text, whatever it is."""
        spelled: str | Expression = self._joined(self._parts(Text.of(value)))
        return spelled

    def job_name(self, length: int, attempts: int) -> Expression:
        """Name one try of a job: ``<pipeline>-<step>-<hash>[-<index>]-<redrive>-<try>``.

        A try has a name of its own as a name can't be used twice. ``length`` is the service's
        limit, ``attempts`` the number of tries after the first.
        """
        hashed = self._facts.is_hashed(length)
        unique = _HASH if hashed else Expression(paths.below(paths.RUN, "suffix"))
        label = self._facts.job_label(self.step, length, attempts)
        redrive, number = (Expression(path, is_text=False) for path in _TRY)
        name: Expression = self._joined(
            [f"{label}-", unique, *self._index(self.step, "-"), "-", redrive, "-", number]
        )
        return name

    def _json(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self.template(value)
        if isinstance(value, (list, tuple)):
            return self._array([self._json(item) for item in value])
        return self._value(value) if isinstance(value, VALUES) else value

    def _array(self, items: list[Any]) -> list[Any] | Expression:
        if not any(isinstance(item, Expression) for item in items):
            return items
        items = [
            self._hoisted(item) if item is None or isinstance(item, (dict, list)) else item
            for item in items
        ]
        items = [self._argument(item) if isinstance(item, Expression) else item for item in items]
        calls = sum(item.calls for item in items if isinstance(item, Expression))
        if calls >= MAX_CALLS:
            items = [
                self._hoisted(item) if isinstance(item, Expression) and item.calls else item
                for item in items
            ]
            calls = 0
        arguments = ", ".join(
            item.text if isinstance(item, Expression) else _literal(item) for item in items
        )
        return Expression(f"States.Array({arguments})", calls + 1, is_text=False)

    def _hoisted(self, value: Any) -> Expression:
        key = f"v{len(self.values)}"
        if isinstance(value, Expression):
            self.values[f"{key}.$"] = value.text
        else:
            self.values[key] = value
        is_text = value.is_text if isinstance(value, Expression) else False
        return Expression(paths.below(paths.VALUES, key), is_text=is_text)

    def _argument(self, value: Expression) -> Expression:
        # A quoted key inside a function's arguments would be read as one of its strings.
        return self._hoisted(value) if not value.calls and "['" in value.text else value

    def _value(self, value: Any) -> Any:
        facts = self._facts
        if isinstance(value, Run):
            return Expression(paths.below(paths.RUN, value.value))
        if isinstance(value, Parameter):
            path = paths.below(paths.PARAMETERS, value.name)
            return Expression(path, is_text=False)
        if isinstance(value, JobField):
            field = answered(value.path, facts.nodes[value.step])
            return Expression(facts.path(value.step, *field), is_text=False)
        if isinstance(value, Metric):
            path = facts.path(value.step, paths.REPORT, *value.path)
            return Expression(path, is_text=False)
        if isinstance(value, Item):
            return Expression(paths.below(paths.ITEM, *value.path), is_text=False)
        return self._joined(self._parts(value))

    def _parts(self, value: Any) -> list[Any]:
        """Take a value apart into text and expressions that are to be joined."""
        plan = self._facts.plan
        if isinstance(value, Text):
            return [part for inner in value.parts for part in self._parts(inner)]
        if isinstance(value, PATHS):
            parts = path_parts(value, plan.root, plan.name, self._facts.map_of)
            return [_INDEX if part is Position.INDEX else self._json(part) for part in parts]
        if isinstance(value, ResourceName):
            label = self._facts.resource_label(value.step)
            return [f"{label}-", _HASH, *self._index(value.step, "-")]
        if isinstance(value, Token):
            # Hashed, so that it fits what every service allows in a client token.
            whole = self._joined([_HASH, f" {self.step}", *self._index(self.step, " ")])
            return [Expression(f"States.Hash({whole.text}, 'MD5')", whole.calls + 1)]
        return [self._value(value) if isinstance(value, VALUES) else str(value)]

    def _index(self, step: str, before: str) -> list[Any]:
        return [before, _INDEX] if step in self._facts.map_of else []

    def _joined(self, parts: list[Any]) -> Any:
        dynamic = [part for part in parts if isinstance(part, Expression)]
        if not dynamic:
            return "".join(parts)
        if (
            len(dynamic) == 1
            and dynamic[0].is_text
            and not any(part for part in parts if isinstance(part, str))
        ):
            return dynamic[0]
        pattern = "".join(
            "{}" if isinstance(part, Expression) else _escaped(part) for part in parts
        )
        arguments = [self._argument(part) for part in dynamic]
        calls = sum(part.calls for part in arguments)
        if calls >= MAX_CALLS:
            arguments = [self._hoisted(part) if part.calls else part for part in arguments]
            calls = 0
        listed = ", ".join([f"'{pattern}'", *(part.text for part in arguments)])
        return Expression(f"States.Format({listed})", calls + 1)


def _escaped(text: str) -> str:
    for character in "\\'{}":
        text = text.replace(character, f"\\{character}")
    return text


def _literal(value: Any) -> str:
    return f"'{_escaped(value)}'" if isinstance(value, str) else json.dumps(value)
