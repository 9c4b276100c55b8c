"""Values that are known only when a run is on its way: what a step may hold besides JSON.

All are plain frozen values. A target spells them in its own language: Jinja, JSONPath, ``Get``.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import timezone
from enum import Enum
from string import Formatter
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from typing_extensions import TypeAlias

    from airflow_ml_provider.pipeline.conditions import Comparison

Scalar: TypeAlias = "str | int | float | bool"
_PLAIN = frozenset({str, int, float, bool, type(None)})


class Run(Enum):
    """What a run knows of itself.

    ``KEY`` names the run in every S3 path: the start of its data interval, or its id where the
    pipeline is keyed by execution. ``DATE`` is the interval's start as ``YYYY-MM-DD``; the two
    ends are ISO 8601 time stamps in UTC.
    """

    KEY = "key"
    ID = "id"
    DATE = "date"
    INTERVAL_START = "interval_start"
    INTERVAL_END = "interval_end"


def interval_key(start: datetime) -> str:
    """Spell ``Run.KEY`` of the run whose data interval begins at ``start``."""
    return _utc(start).strftime("%Y%m%dT%H%M%S")


def iso_utc(moment: datetime) -> str:
    """Spell a moment in ISO 8601, UTC; one without a zone is in UTC."""
    return _utc(moment).isoformat(timespec="seconds")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


class _Comparable:
    """Gives the four orders; ``==`` stays the equality of values."""

    def _compare(self, operator: str, right: object) -> Comparison:
        from airflow_ml_provider.pipeline.conditions import Comparison  # noqa: PLC0415 - a cycle

        return Comparison(operator, self, right)

    def __lt__(self, other: object) -> Comparison:
        return self._compare("<", other)

    def __le__(self, other: object) -> Comparison:
        return self._compare("<=", other)

    def __gt__(self, other: object) -> Comparison:
        return self._compare(">", other)

    def __ge__(self, other: object) -> Comparison:
        return self._compare(">=", other)


@dataclass(frozen=True)
class Parameter(_Comparable):
    """A value that a run may be given; ``default`` also fixes its type.

    A list as default makes it what a ``Map`` may run over, and nothing else.
    """

    name: str
    default: Scalar | Sequence[Any]


@dataclass(frozen=True)
class Output:
    """The S3 prefix of a step's output: ``root/<pipeline>/<run key>/<step>/<output>/``."""

    step: str
    name: str


@dataclass(frozen=True)
class Dataset:
    """A shared S3 prefix that outlives the run: ``root/datasets/<name>/``.

    The job that writes it replaces only the partitions of its own data interval, so that a
    backfill is idempotent. It makes no order between steps.
    """

    name: str


@dataclass(frozen=True)
class History:
    """The S3 object in which a step keeps what its next run has to know.

    ``root/<pipeline>/_history/<step>.json``, of a step in a map ``.../<step>/<index>.json``.
    """

    step: str


@dataclass(frozen=True)
class JobField:
    """A field of what AWS answers about a finished job, by its path in the Describe response."""

    step: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Metric(_Comparable):
    """A number in the report of a step; the path is a tuple because names may hold dots."""

    step: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """The item that a ``Map`` is at, or what lies under ``path`` in it."""

    map: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResourceName:
    """The name of what a step creates on AWS: one for each run, since other steps repeat it.

    Inside a map it is one for each item.
    """

    step: str


@dataclass(frozen=True)
class Code:
    """Local files that are staged to S3 under the hash of their content.

    ``form`` says what the value stands for: the URI of the one ``file``, the URI of a ``prefix``
    that holds all of them, or the URI of a gzipped ``tar`` of them. ``files`` are paths relative
    to the pipeline's folder; the first one is the script that is started. ``texts`` are further
    files by their names, which may have folders in them. A ``wheel`` has no files of its own: it
    is what of this package runs without Airflow.
    """

    files: tuple[str, ...]
    form: str
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Token:
    """What makes a call idempotent: the same for every try of a step, new when it is run anew."""


class Text:
    """Text with values in it: ``Text("AUC is {auc}", auc=scores.metric("auc"))``."""

    __slots__ = ("parts",)

    def __init__(self, template: str = "", **values: object) -> None:
        parts: list[object] = []
        for literal, name, _, _ in Formatter().parse(template):
            if literal:
                parts.append(literal)
            if name is not None:
                if name not in values:
                    message = f"Text has no value for {{{name}}}; give it as {name}=..."
                    raise ValueError(message)
                parts.append(values[name])
        self.parts: tuple[object, ...] = tuple(parts)

    @classmethod
    def of(cls, *parts: object) -> Text:
        """Join parts as they are."""
        text = cls()
        text.parts = tuple(parts)
        return text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __repr__(self) -> str:
        return f"Text.of({', '.join(map(repr, self.parts))})"


VALUES = (
    *(Run, Parameter, Output, Dataset, History, JobField, Metric),
    *(Item, ResourceName, Code, Token, Text),
)
"""Every class of value; a target that knows these knows all."""


def find(value: object, kinds: tuple[type, ...]) -> list[Any]:
    """List what is of ``kinds`` in mappings, sequences, dataclasses and text, at any depth.

    What is found is not looked into.
    """
    found: list[Any] = []
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            inner: Iterable[object] = (*item, *item.values())
        elif isinstance(item, (list, tuple, set, frozenset)):
            inner = item
        elif isinstance(item, kinds):
            found.append(item)
            continue
        elif isinstance(item, Text):
            inner = item.parts
        elif is_dataclass(item):
            inner = [getattr(item, field.name) for field in fields(item)]
        else:
            continue
        pending += reversed([item for item in inner if type(item) not in _PLAIN])
    return found


def replace_values(value: Any, spell: Callable[[Any], Any]) -> Any:
    """Copy JSON in which each value of ``VALUES`` is replaced by what ``spell`` makes of it."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, dict):
        return {key: replace_values(item, spell) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_values(item, spell) for item in value]
    return spell(value) if isinstance(value, VALUES) else value
