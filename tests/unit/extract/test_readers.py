from __future__ import annotations

import threading
from typing import Any

import pytest

from airflow_ml_provider.extract import readers as readers_module
from airflow_ml_provider.extract.errors import SourceUnavailable
from airflow_ml_provider.extract.readers import Readers


class Connection:
    """Its statement ends with the second cancel: the first comes too early, as it may."""

    def __init__(self, cancels: int = 2) -> None:
        self.left = cancels
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.cancelled.set()
        if self.left < 0:
            raise RuntimeError("nothing to cancel")


def started(readers: Readers, connection: Connection) -> tuple[threading.Thread, list[Any]]:
    inside = threading.Event()
    result: list[Any] = []

    def work() -> None:
        with readers.waiting(connection):
            inside.set()
            result.append(connection.cancelled.wait(30))

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(30)
    return thread, result


def test_ending_cancels_until_all_have_returned() -> None:
    readers = Readers("warehouse")
    connections = [Connection(), Connection(1)]
    running = [started(readers, connection) for connection in connections]

    readers.end()

    assert [result for _, result in running] == [[True], [True]]
    for thread, _ in running:
        thread.join(30)
    assert connections[0].left == 0


def test_nothing_more_begins_after_the_end() -> None:
    readers = Readers("warehouse")
    with readers.waiting(Connection()):
        pass
    readers.end()
    readers.end()
    with pytest.raises(SourceUnavailable, match="warehouse: reading was ended"):
        readers.waiting(Connection()).__enter__()


def test_a_call_that_never_returns_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(readers_module, "_END_SECONDS", 0.05)
    monkeypatch.setattr(readers_module, "_AGAIN_SECONDS", 0.01)
    readers = Readers("warehouse")
    connection = Connection(cancels=0)
    thread, _ = started(readers, connection)

    readers.end()

    assert "warehouse: a statement goes on though it was cancelled" in caplog.text
    connection.cancelled.set()
    thread.join(30)
