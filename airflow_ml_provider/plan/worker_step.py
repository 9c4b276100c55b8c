"""The work of a job without Airflow as files: this package's modules, and what to do as JSON.

CreateProcessingJob takes 256 characters an argument, so the work is a file. Its values of the run
come one by one, as environment variables or as arguments; the file says where they go and what
type they have.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airflow_ml_provider import __version__
from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import (
    Code,
    Item,
    JobField,
    Metric,
    Parameter,
    Text,
    Token,
    replace_values,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from airflow_ml_provider.plan.nodes import Json

MAX_VALUES = 100
MAX_CHARACTERS = 256
_PREFIX = "AIRFLOW_ML_VALUE_"
_PACKAGE = Path(__file__).parents[1]
_FOLDERS = ("worker", "extract", "jobs", "sql")
_MODULES = (
    "api_call",
    "clients",
    "log_follower",
    "logs",
    "newest_lines",
    "validation",
    "watcher",
)
_START = '''\
"""Start the work that `step.json` describes."""

from airflow_ml_provider.worker.{module} import main

if __name__ == "__main__":
    main()
'''
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


class Mapped(Protocol):
    """A map of a definition or of a plan."""

    @property
    def name(self) -> str:
        """The step's name."""

    @property
    def items(self) -> Any:
        """JSON values, or the parameter that has them."""


@dataclass(frozen=True)
class Written:
    """Work as JSON with placeholders, the environment that fills them, and what can't be said.

    ``problems`` name a value and the way out.
    """

    work: Json
    environment: Mapping[str, Any]
    problems: tuple[str, ...]


def modules() -> Code:
    """Give the part of this package that runs in the container; ``run.py`` starts it."""
    return Code((), "prefix", (("run.py", _START.format(module="main")), *sorted(texts().items())))


def texts() -> dict[str, str]:
    """Read the modules that a job without Airflow needs, by their paths in the package."""
    files = [
        _PACKAGE / "__init__.py",
        *(file for folder in _FOLDERS for file in (_PACKAGE / folder).rglob("*.py")),
        *(_PACKAGE / "aws" / f"{name}.py" for name in ("__init__", *_MODULES)),
    ]
    return {
        file.relative_to(_PACKAGE.parent).as_posix(): file.read_text(encoding="utf-8")
        for file in files
    }


def start_file(module: str) -> Code:
    """Give the script that starts a module of ``worker``."""
    return Code((), "file", (("run.py", _START.format(module=module)),))


def worker_wheel() -> tuple[str, dict[str, bytes]]:
    """Give the name of the wheel with these modules, and its files.

    It says nothing of what they import: pip would bring Airflow.
    https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    name = f"airflow_ml_worker-{__version__}"
    info = {
        "METADATA": f"Metadata-Version: 2.1\nName: airflow-ml-worker\nVersion: {__version__}\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members = {**texts(), **{f"{name}.dist-info/{file}": text for file, text in info.items()}}
    files = {path: text.encode() for path, text in sorted(members.items())}
    record = f"{name}.dist-info/RECORD"
    listed = [f"{path},sha256={_digest(body)},{len(body)}" for path, body in files.items()]
    files[record] = "\n".join([*listed, f"{record},,", ""]).encode()
    return f"{name}-py3-none-any.whl", files


def step_file(work: Json, form: str = "prefix") -> Code:
    """Give the work as the file ``step.json``, or the prefix in which it lies."""
    text = json.dumps(work, indent=2, ensure_ascii=False) + "\n"
    return Code((), form, (("step.json", text),))


def written(work: Json, maps: Mapping[str, Mapped], *, bounded: bool = True) -> Written:
    """Write work down; ``maps`` are all there are by name, whose items have types.

    ``bounded``: the values have to fit into the environment of a processing job.
    """
    names: dict[Any, str] = {}
    problems: list[str] = []

    def name(value: Any) -> str:
        return names.setdefault(value, f"{_PREFIX}{len(names) + 1}")

    def spell(value: Any) -> dict[str, Any]:
        if isinstance(value, Token):
            return {"$token": ""}
        if isinstance(value, Text):
            return {"$text": [part(one) for one in value.parts]}
        try:
            kind = _type(value, maps)
        except ValueError as error:
            problems.append(str(error))
            return {}
        return {"$value": name(value), "type": kind}

    def part(value: Any) -> Any:
        spelled = replace_values(value, spell)
        return spelled if isinstance(spelled, dict) else str(spelled)

    filled = replace_values(work, spell)
    if bounded:
        problems += _too_much(names)
    environment = {variable: _as_text(value) for value, variable in names.items()}
    return Written(filled, environment, tuple(problems))


def _digest(body: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


def _too_much(values: Collection[Any]) -> Iterator[str]:
    if len(values) > MAX_VALUES:
        yield f"it has {len(values)} values of the run, a job takes {MAX_VALUES}"
    for value in values:
        if isinstance(value, Parameter) and len(str(value.default)) > MAX_CHARACTERS:
            yield f"parameter {value.name!r}: its default has more than {MAX_CHARACTERS} characters"


def _as_text(value: Any) -> Any:
    # Every variable is a string; what may be none by itself the target spells as text.
    text = isinstance(value, Parameter) and isinstance(value.default, str)
    if isinstance(value, (Item, JobField, Metric, Parameter)) and not text:
        return Text.of(value)
    return value


def _type(value: Any, maps: Mapping[str, Mapped]) -> str:
    if isinstance(value, Metric):
        return "number"
    if isinstance(value, Parameter):
        return _one_type([value.default], f"the default of parameter {value.name!r}")
    if isinstance(value, Item):
        return _item_type(value, maps[value.map])
    return "string"


def _item_type(value: Item, node: Mapped) -> str:
    items: Any = node.items.default if isinstance(node.items, Parameter) else node.items
    what = f"{'.'.join(('the item', *value.path))} of map {node.name!r}"
    return _one_type([_below(item, value.path) for item in items], what)


def _one_type(values: Sequence[Any], what: str) -> str:
    types = {_TYPES.get(type(value)) for value in values}
    if types == {"integer", "number"}:
        return "number"
    found = types.pop() if len(types) == 1 else None
    if found is None:
        message = f"{what} is not always of one type: a string, a number or a boolean"
        raise ValueError(message)
    return found


def _below(item: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        item = item.get(name) if isinstance(item, dict) else None
    return item
