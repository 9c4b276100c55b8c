"""What an SQLSTATE says about trying again.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from airflow_ml_provider.extract.errors import BadQuery, ExtractError, SourceUnavailable

# Connection, transaction rollback, insufficient resources, operator intervention, system error.
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
# Idle and transaction timeouts, a lock that was not given, a snapshot that is gone.
_TRANSIENT = frozenset({"25P03", "25P04", "55P03", "72000"})


def is_transient(sqlstate: str) -> bool:
    """Tell whether the same statement may succeed later."""
    return sqlstate.startswith(_TRANSIENT_CLASSES) or sqlstate in _TRANSIENT


def error_of(name: str, sqlstate: str, message: str) -> ExtractError:
    """Give the error for what a database said to the connection ``name``."""
    text = f"{message.strip()} (SQLSTATE {sqlstate})"
    if is_transient(sqlstate):
        return SourceUnavailable(f"{name}: {text}")
    return BadQuery(f"{name}: the database refuses the query: {text}")
