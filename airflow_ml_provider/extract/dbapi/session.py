"""One DB-API connection, used in one thread and ended from any."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_ml_provider.extract.driver import Driver, driver_errors
from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.readers import Readers, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_ml_provider.extract.statement import Statement

T = TypeVar("T")

_CLOSE_SECONDS = 10.0


class Session:
    """A connection that lives in a thread of its own, as sqlite3's have to.

    What is called in it may be waited for in any thread, by one at a time.
    """

    def __init__(self, name: str, connect: Callable[[], Any]) -> None:
        self._name = name
        self._connect = connect
        self._thread = ThreadPoolExecutor(1, "extract-cursor")
        self._readers = Readers(name)
        self.connection: Any = None
        # Kept to the end: PyMySQL's would read all the other rows as it is collected.
        self.cursor: Any = None
        self.driver: Driver

    def call(self, work: Callable[..., T], *arguments: object, **options: object) -> T:
        """Do what talks to the database.

        :raises BadQuery: the database refuses the query.
        :raises SourceUnavailable: the connection was lost, or the session has ended.
        """
        with driver_errors(self._name), self._readers.waiting(self):
            return settled(self._thread.submit(work, *arguments, **options), self.cancel)

    def open(self) -> None:
        """Connect.

        :raises BadQuery: it is no DB-API connection.
        """
        self.connection = self.call(self._connect)
        driver = Driver.of(type(self.connection))
        if driver is None:
            raise BadQuery(f"{self._name}: {type(self.connection)} is no DB-API connection")
        self.driver = driver

    def executed(self, statement: Statement, *, text: bool = False) -> Any:
        """Run a statement, and give its cursor.

        :param text: as in `Driver.cursor`.
        """
        self.cursor = self.call(self.driver.cursor, self.connection, text=text)
        self.call(self.driver.execute, self.cursor, statement)
        return self.cursor

    def cancel(self) -> None:
        """Ask the database to end the statement that runs, from another thread."""
        connection = self.connection
        if self.driver.name == "sqlite3":
            connection.interrupt()
        elif self.driver.mysql:
            # MySQL's protocol has no way to cancel but another connection.
            number = getattr(connection, "connection_id", None) or connection.thread_id()
            with closing(self._connect()) as other, closing(other.cursor()) as cursor:
                cursor.execute(f"kill query {int(number)}")
        elif hasattr(connection, "cancel"):
            connection.cancel()

    def end(self) -> None:
        """End what runs, and close without a commit."""
        self._readers.end()
        closed = self._thread.submit(self._close)
        self._thread.shutdown(wait=False)
        wait([closed], _CLOSE_SECONDS)

    def _close(self) -> None:
        # What it raises stays in the future: it would hide the real error, and all rows were read
        # otherwise.
        if self.connection is None:
            return
        result: Any = getattr(self.connection, "_result", None)
        if getattr(result, "unbuffered_active", False):
            # And it would read them from the closed connection.
            result.unbuffered_active = False
        self.connection.close()


@contextmanager
def session(name: str, connect: Callable[[], Any]) -> Iterator[Session]:
    """Connect; leaving the context ends what runs and closes without a commit.

    :raises SourceUnavailable: there is no connection.
    """
    opened = Session(name, connect)
    try:
        opened.open()
        yield opened
    finally:
        opened.end()
