"""Values of a pipeline in the language of Airflow's templates."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import (
    VALUES,
    Code,
    Item,
    JobField,
    Metric,
    Parameter,
    ResourceName,
    Run,
    Text,
    Token,
    find,
    replace_values,
)
from airflow_ml_provider.targets.data_paths import PATHS, Position, path_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "token:"  # noqa: S105 - a placeholder
OWN_NAME = "name:#own"
"""Stands for the name of what the task itself creates."""
REPORT = "report"
"""The key of the XCom that holds a task's report."""
RESOURCE_NAME = "resource_name"
"""The key of the XCom that holds the name of what a task created."""
_HASH_LENGTH = 8
_REMEMBERED = 256
_SAME_INDEX = ", map_indexes=ti.map_index"
_RUN = {
    Run.KEY: "run_key(dag_run)",
    Run.ID: "run_id",
    Run.DATE: "run_date(dag_run)",
    Run.INTERVAL_START: "interval_start(dag_run)",
    Run.INTERVAL_END: "interval_end(dag_run)",
}
_IN_PATHS = {Run.KEY: _RUN[Run.KEY], Position.INDEX: "ti.map_index"}


class _Expression(str):
    """A part of a template that goes between its braces; a plain string stands for itself."""

    __slots__ = ()


@dataclass(frozen=True)
class Speller:
    """Spells the values of one task: its plan's ``root`` and ``pipeline``, its own step's name.

    ``mapped`` names the steps inside maps: they have a result and a folder for each index.
    """

    root: str = ""
    pipeline: str = ""
    step: str = ""
    mapped: frozenset[str] = frozenset()

    def template(self, value: Any) -> Any:
        """Copy JSON with each value in it as a Jinja template; values in it become text.

        The DAG gives the functions of ``operators.run_values`` as ``user_defined_macros``. A
        ``Token``, the name of what the step creates and ``Code`` become placeholders that the
        operators fill in.
        """
        return replace_values(value, self._template)

    def json_template(self, value: Any) -> str:
        """Give one template of JSON text, in which values keep their type."""
        if isinstance(value, VALUES):
            parts = list(self._parts(value))
            if not any(isinstance(part, _Expression) for part in parts):
                return json.dumps("".join(parts))
            alone = len(parts) == 1
            listed = ", ".join(p if isinstance(p, _Expression) else repr(p) for p in parts)
            return f"{{{{ {parts[0] if alone else f'[{listed}] | join'} | tojson }}}}"
        if isinstance(value, dict):
            fields = (f"{json.dumps(key)}: {self.json_template(value[key])}" for key in value)
            return "{" + ", ".join(fields) + "}"
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(self.json_template, value))}]"
        return json.dumps(value)

    def _template(self, value: Any) -> str:
        parts = self._parts(value)
        return "".join(f"{{{{ {p} }}}}" if isinstance(p, _Expression) else p for p in parts)

    def _parts(self, value: Any) -> Iterator[str]:
        if isinstance(value, Text):
            for part in value.parts:
                if isinstance(part, Token):
                    message = "a token must be a field of its own, not a part of a text"
                    raise ValueError(message)  # noqa: TRY004 - the value is wrong
                yield from self._parts(part) if isinstance(part, VALUES) else (str(part),)
        elif isinstance(value, PATHS):
            for part in path_parts(value, self.root, self.pipeline, self.mapped):
                yield part if isinstance(part, str) else _Expression(_IN_PATHS[part])
        elif isinstance(value, Code):
            yield placeholder(value)
        elif isinstance(value, Token):
            yield TOKEN
        elif isinstance(value, ResourceName) and value.step == self.step:
            yield OWN_NAME
        else:
            yield _Expression(self._expression(value))

    def _expression(self, value: Any) -> str:
        if isinstance(value, Run):
            return _RUN[value]
        if isinstance(value, Parameter):
            return f"params.{value.name}"
        if isinstance(value, Item):
            return f"ti.xcom_pull(task_ids={value.map!r}, map_indexes=-1)[ti.map_index]" + _below(
                value.path
            )
        if isinstance(value, ResourceName):
            return self._pulled(value.step, RESOURCE_NAME)
        assert isinstance(value, (JobField, Metric)), value  # noqa: S101 - VALUES has no other
        key = REPORT if isinstance(value, Metric) else ""
        return self._pulled(value.step, key) + _below(value.path)

    def _pulled(self, step: str, key: str) -> str:
        which = f", key={key!r}" if key else ""
        index = _SAME_INDEX if step in self.mapped else ""
        return f"ti.xcom_pull(task_ids={step!r}{which}{index})"


def codes_of(value: Any) -> dict[str, Code]:
    """Map each placeholder in the template of ``value`` to the code that it stands for."""
    return {placeholder(code): code for code in find(value, (Code,))}


@lru_cache(maxsize=_REMEMBERED)
def placeholder(code: Code) -> str:
    """Give the text that stands for staged code in a request; each code has its own."""
    first = (*code.files, *(name for name, _ in code.texts), code.form)[0]
    told = repr((code.form, code.files, code.texts))
    digest = hashlib.sha256(told.encode()).hexdigest()
    return f"code:{first}#{digest[:_HASH_LENGTH]}"


def _below(path: tuple[str, ...]) -> str:
    return "".join(f"[{name!r}]" for name in path)
