"""Values of a pipeline in the language of Airflow's templates."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.values import (
    Code,
    Dataset,
    JobField,
    Metric,
    Output,
    Parameter,
    Run,
    Text,
    Token,
    replace_values,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN = "token:"  # noqa: S105 - a placeholder
REPORT = "report"
"""The key of the XCom that holds a task's report."""
_HASH_LENGTH = 8
_RUN = {
    Run.KEY: "{{ run_key(dag_run) }}",
    Run.ID: "{{ run_id }}",
    Run.DATE: "{{ run_date(dag_run) }}",
    Run.INTERVAL_START: "{{ interval_start(dag_run) }}",
    Run.INTERVAL_END: "{{ interval_end(dag_run) }}",
}


def spell(
    value: Any,
    *,
    plan_root: str = "",
    pipeline_name: str = "",
    task_ids: Mapping[str, str] | None = None,
    codes: dict[str, Code] | None = None,
) -> Any:
    """Copy JSON with each value in it as a Jinja template.

    The DAG gives the functions of :mod:`run_values` as ``user_defined_macros``. ``task_ids`` maps
    the names of steps to the ids of their tasks where they differ. A ``Token`` and ``Code`` become
    placeholders that the operators fill in; ``codes`` gets the code of each placeholder.
    """
    task_ids = task_ids or {}
    codes = {} if codes is None else codes

    def one(item: Any) -> str:
        if isinstance(item, Text):
            return _joined([replace_values(part, one) for part in item.parts])
        if isinstance(item, (JobField, Metric)):
            task_id = task_ids.get(item.step, item.step)
            return _pulled(task_id, item.path, REPORT if isinstance(item, Metric) else None)
        if isinstance(item, Output):
            key = _RUN[Run.KEY]
            return f"{plan_root}/{pipeline_name}/{key}/{item.step}/{item.name}/"
        if isinstance(item, Dataset):
            return f"{plan_root}/datasets/{item.name}/"
        if isinstance(item, Code):
            name = placeholder(item)
            codes[name] = item
            return name
        return _plain(item)

    return replace_values(value, one)


def placeholder(code: Code) -> str:
    """Give the text that stands for staged code in a request; each code has its own."""
    digest = hashlib.sha256(json.dumps([code.form, *code.files]).encode()).hexdigest()
    return f"code:{code.files[0]}#{digest[:_HASH_LENGTH]}"


def codes_of(value: Any) -> dict[str, Code]:
    """Map each placeholder that :func:`spell` makes of ``value`` to its code."""
    codes: dict[str, Code] = {}
    spell(value, codes=codes)
    return codes


def _plain(item: Run | Parameter | Token) -> str:
    if isinstance(item, Run):
        return _RUN[item]
    if isinstance(item, Parameter):
        return f"{{{{ params.{item.name} }}}}"
    return TOKEN


def _joined(parts: list[Any]) -> str:
    if TOKEN in parts:
        message = "a token must be a field of its own, not a part of a text"
        raise ValueError(message)
    return "".join(map(str, parts))


def _pulled(task_id: str, path: tuple[str, ...], key: str | None) -> str:
    which = f", key={key!r}" if key else ""
    steps = "".join(f"[{name!r}]" for name in path)
    return f"{{{{ ti.xcom_pull(task_ids={task_id!r}{which}){steps} }}}}"
