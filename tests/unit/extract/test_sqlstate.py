from __future__ import annotations

import pytest

from airflow_ml_provider.extract.errors import BadQuery, SourceUnavailable
from airflow_ml_provider.extract.sqlstate import error_of


@pytest.mark.parametrize(
    "sqlstate",
    ["08006", "40001", "53100", "53200", "53300", "53400", "55P03", "57014", "57P01", "58030"],
)
def test_what_time_can_mend_may_be_retried(sqlstate: str) -> None:
    error = error_of("warehouse", sqlstate, "disk full\n")
    assert isinstance(error, SourceUnavailable)
    assert error.retryable
    assert str(error) == f"warehouse: disk full (SQLSTATE {sqlstate})"


@pytest.mark.parametrize("sqlstate", ["22012", "22P02", "25006", "42501", "42601", "42P01"])
def test_what_the_query_is_to_blame_for_may_not(sqlstate: str) -> None:
    error = error_of("warehouse", sqlstate, "no such table")
    assert isinstance(error, BadQuery)
    assert not error.retryable
    assert "warehouse: the database refuses the query: no such table" in str(error)
