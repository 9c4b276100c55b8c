"""The calls that wait for a database in several threads, and their common end."""

from __future__ import annotations

import logging
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from threading import Condition, Thread, current_thread, main_thread
from time import monotonic
from typing import TYPE_CHECKING, Protocol, TypeVar

from airflow_ml_provider.extract.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 0.2
_END_SECONDS = 10.0


class Cancellable(Protocol):
    """A connection whose running statement another thread can cancel."""

    def cancel(self) -> None:
        """Ask the server to end the statement."""


class Readers:
    """The connections of one source that wait for its server at the moment."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: list[Cancellable] = []
        self._change = Condition()
        self._ended = False

    @contextmanager
    def waiting(self, connection: Cancellable) -> Iterator[None]:
        """Hold this round every call that may take long.

        :raises SourceUnavailable: reading has been ended.
        """
        with self._change:
            if self._ended:
                raise SourceUnavailable(f"{self._name}: reading was ended")
            self._waiting.append(connection)
        try:
            yield
        finally:
            with self._change:
                self._waiting.remove(connection)
                self._change.notify_all()

    def end(self) -> None:
        """Cancel what runs, let nothing more run, and wait for it, 10 s at the most."""
        deadline = monotonic() + _END_SECONDS
        with self._change:
            self._ended = True
            while self._waiting and monotonic() < deadline:
                for connection in self._waiting:
                    # Each driver has errors of its own; one means that there is nothing to cancel.
                    with suppress(Exception):
                        connection.cancel()
                # A cancel that arrives between two statements is lost.
                self._change.wait(_AGAIN_SECONDS)
            if self._waiting:
                log.warning("%s: a statement goes on though it was cancelled", self._name)


def settled(future: Future[T], cancel: Callable[[], object]) -> T:
    """Wait for what another thread does in a database; cancel it if this one is interrupted."""
    try:
        return future.result()
    except BaseException:
        deadline = monotonic() + _END_SECONDS
        while not future.done() and monotonic() < deadline:
            with suppress(Exception):  # as above
                cancel()
            wait([future], _AGAIN_SECONDS)
        raise


def interruptible(work: Callable[[], T], cancel: Callable[[], object]) -> T:
    """Do what waits for a database so that a signal's exception ends it.

    A driver waits in C, and Python calls no handler of a signal in the main thread until it is
    back: a task would outlive its timeout by a whole query.
    """
    if current_thread() is not main_thread():
        return work()
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            future.set_exception(error)

    Thread(target=run, name="extract-statement", daemon=True).start()
    return settled(future, cancel)
