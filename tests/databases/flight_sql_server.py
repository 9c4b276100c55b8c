"""The part of Flight SQL that a query needs, over a DuckDB in memory.

https://arrow.apache.org/docs/format/FlightSql.html
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from pyarrow import flight

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = "type.googleapis.com/arrow.flight.protocol.sql."


def _fields(message: bytes) -> dict[int, bytes]:
    """Read a protobuf message of strings and bytes."""
    found, at = {}, 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(message):
        key, size = number(), number()
        found[key >> 3] = message[at : at + size]
        at += size
    return found


def _message(fields: dict[int, bytes]) -> bytes:
    """Write a protobuf message of bytes, each shorter than 2 MiB."""

    def size(value: int) -> bytes:
        return bytes([value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14])

    return b"".join(bytes([n << 3 | 2]) + size(len(v)) + v for n, v in fields.items())


def _command(packed: bytes) -> tuple[str, dict[int, bytes]]:
    outer = _fields(packed)
    return outer[1].decode().removeprefix(_NAMES), _fields(outer.get(2, b""))


class FlightSqlServer(flight.FlightServerBase):
    """Answers queries, with parameters or without, of who brings the token.

    ``broken`` are rows after which a stream breaks.
    """

    def __init__(self, token: str = "", broken: int | None = None) -> None:
        super().__init__("grpc://127.0.0.1:0", middleware={"token": _Token(token)})
        self.broken = broken
        self._database = duckdb.connect(":memory:")
        self._database.execute("create table n as select range as i from range(100000)")
        self._prepared: dict[bytes, tuple[str, list[Any]]] = {}
        self._numbers = itertools.count()

    def get_flight_info(self, _: Any, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        """Run nothing yet; the ticket says what to run."""
        kind, fields = _command(descriptor.command)
        handle = self._prepare(fields[1]) if kind == "CommandStatementQuery" else fields[1]
        schema = self._reader(handle).schema
        endpoints = [flight.FlightEndpoint(handle, [])]
        return flight.FlightInfo(schema, descriptor, endpoints, -1, -1)

    def do_get(self, _: Any, ticket: flight.Ticket) -> flight.GeneratorStream:
        """Run it."""
        reader = self._reader(ticket.ticket)
        return flight.GeneratorStream(reader.schema, self._batches(reader))

    def do_action(self, _: Any, action: flight.Action) -> Iterator[flight.Result]:
        """Make a prepared statement, or forget one."""
        if action.type == "CreatePreparedStatement":
            _, fields = _command(action.body.to_pybytes())
            handle = self._prepare(fields[1])
            unnamed = pa.schema([(str(i), pa.null()) for i in range(fields[1].count(b"?"))])
            result = _message({1: handle, 3: unnamed.serialize().to_pybytes()})
            packed = {1: f"{_NAMES}ActionCreatePreparedStatementResult".encode(), 2: result}
            yield flight.Result(_message(packed))

    def do_put(self, _: Any, descriptor: Any, reader: Any, __: Any) -> None:
        """Take the values of a prepared statement."""
        _, fields = _command(descriptor.command)
        text, _ = self._prepared[fields[1]]
        row = reader.read_all().to_pylist()[0]
        self._prepared[fields[1]] = text, list(row.values())

    def _prepare(self, text: bytes) -> bytes:
        handle = f"statement {next(self._numbers)}".encode()
        self._prepared[handle] = text.decode(), []
        return handle

    def _reader(self, handle: bytes) -> pa.RecordBatchReader:
        text, values = self._prepared[handle]
        try:
            return self._database.cursor().sql(text, params=values).to_arrow_reader(1000)
        except duckdb.Error as error:
            raise pa.ArrowInvalid(str(error)) from error

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        sent = 0
        for batch in reader:
            if self.broken is not None and sent >= self.broken:
                raise flight.FlightUnavailableError("the server is going away")
            yield batch
            sent += batch.num_rows


class _Token(flight.ServerMiddlewareFactory):
    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def start_call(self, _: Any, headers: dict[str, list[str]]) -> None:
        """Refuse who does not bring it."""
        if self._token and headers.get("authorization") != [f"Bearer {self._token}"]:
            raise flight.FlightUnauthenticatedError("no such token")
