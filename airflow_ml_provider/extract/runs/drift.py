"""Schema drift: the columns of an unchanged query are not those of the run before."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_ml_provider.extract.errors import SchemaDrift
from airflow_ml_provider.extract.runs.history import Published

if TYPE_CHECKING:
    from airflow_ml_provider.extract.runs.history import History, State

log = logging.getLogger(__name__)

_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}
_MANTISSA_BITS = {16: 11, 32: 24, 64: 53}


@dataclass(frozen=True)
class Drift:
    """How an extract answers drift, against what its history published last.

    ``policy`` is ``fail``, ``evolve`` or ``ignore``. ``fingerprint`` is the hash of what was asked
    for: under another one there is no drift, for whoever changes the query knows. ``name`` is the
    connection's id, and ``run`` the run's key, if it claimed a window.
    """

    history: History
    policy: str
    name: str
    fingerprint: str
    run: str | None = None

    def previous(self) -> pa.Schema | None:
        """Give the schema that was published last, if the same was asked for."""
        published = self.history.read().published
        same = published and published.fingerprint == self.fingerprint
        return published.schema if published and same else None

    def answer(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema to write where the source has ``schema``.

        :raises SchemaDrift: the policy does not allow the change; the message names all columns.
        """
        return answer(self.previous(), schema, self.policy, self.name)

    def published(self, schema: pa.Schema) -> None:
        """Remember ``schema``, which has just become visible; doing it twice does no harm."""

        def change(state: State) -> State:
            return replace(
                state,
                published=Published(self.fingerprint, schema.remove_metadata()),
                claims=tuple(
                    replace(claim, published=True) if claim.run == self.run else claim
                    for claim in state.claims
                ),
            )

        self.history.update(change)


def answer(previous: pa.Schema | None, schema: pa.Schema, policy: str, name: str) -> pa.Schema:
    """Give the schema to write where the source has ``schema``, and ``previous`` was published.

    ``fail`` gives ``previous``; ``ignore`` gives ``schema``. ``evolve`` gives the columns of
    ``previous``, with the wider one of two types, and then the new ones. The order of the columns
    alone is no drift.

    :raises SchemaDrift: there is drift under ``fail``, or types of which neither holds all values
        of the other under ``evolve``.
    """
    if previous is None or policy == "ignore":
        return schema
    added = [field for field in schema if field.name not in previous.names]
    removed = [field for field in previous if field.name not in schema.names]
    changed = [
        (field, schema.field(field.name))
        for field in previous
        if field.name in schema.names and schema.field(field.name).type != field.type
    ]
    problems = [f"{field.name} ({field.type}) is new" for field in added]
    problems += [f"{field.name} ({field.type}) is gone" for field in removed]
    problems += [f"{old.name} was {old.type} and is {new.type}" for old, new in changed]
    if not problems:
        return previous
    wider = {old.name: _wider(old.type, new.type) for old, new in changed}
    if policy == "evolve":
        log.warning("%s: the columns are not those of the run before: %s", name, problems)
        problems = [
            f"{old.name} was {old.type} and is {new.type}; neither holds all values of the other"
            for old, new in changed
            if wider[old.name] is None
        ]
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        mend = "" if policy == "evolve" else "on_drift='evolve' for this change, or "
        raise SchemaDrift(
            f"{name}: the columns are not those of the last run, and the query is the same "
            f"(on_drift={policy!r}); mend: {mend}name the columns and cast them in the query: a "
            f"changed query begins anew{lines}"
        )
    kept = [pa.field(field.name, wider.get(field.name, field.type)) for field in previous]
    return pa.schema([*kept, *added])


def fitted(rows: pa.Table | pa.RecordBatch, schema: pa.Schema) -> Any:
    """Give the table or batch with the columns that `answer` gave; those that are gone are NULL."""
    if rows.schema.equals(schema):
        return rows
    names = rows.schema.names
    arrays = [
        rows.column(names.index(field.name)).cast(field.type)
        if field.name in names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return type(rows).from_arrays(arrays, schema=schema)


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if _holds(one, other):
        return one
    return other if _holds(other, one) else None


def _holds(wide: pa.DataType, narrow: pa.DataType) -> bool:
    """Tell whether every value of ``narrow`` is one of ``wide``, and Arrow's cast keeps it."""
    if pa.types.is_null(narrow):
        return True
    if pa.types.is_integer(narrow):
        return _holds_integer(wide, narrow)
    if pa.types.is_floating(narrow):
        return bool(pa.types.is_floating(wide) and wide.bit_width >= narrow.bit_width)
    if pa.types.is_decimal(narrow):
        return bool(
            pa.types.is_decimal(wide)
            and wide.scale >= narrow.scale
            and wide.precision - wide.scale >= narrow.precision - narrow.scale
        )
    if pa.types.is_string(narrow):
        return bool(pa.types.is_large_string(wide))
    return bool(pa.types.is_large_binary(wide) and pa.types.is_binary(narrow))


def _holds_integer(wide: pa.DataType, narrow: pa.DataType) -> bool:
    signed = pa.types.is_signed_integer(narrow)
    bits = narrow.bit_width - signed
    if pa.types.is_signed_integer(wide):
        return bool(wide.bit_width - 1 >= bits)
    if pa.types.is_unsigned_integer(wide):
        return bool(not signed and wide.bit_width >= bits)
    if pa.types.is_floating(wide):
        return bool(_MANTISSA_BITS[wide.bit_width] >= bits)
    if pa.types.is_decimal(wide):
        digits = _INTEGER_DIGITS[narrow.bit_width] + (not signed and bits == 64)  # noqa: PLR2004
        return bool(wide.precision - wide.scale >= digits)
    return False
