"""A task that does nothing."""

from __future__ import annotations

from typing import Any

from airflow_ml_provider._compat import BaseOperator


class JoinOperator(BaseOperator):
    """Join branches: its trigger rule says when it runs, what follows it then follows them all."""

    ui_color = "#e8f7e4"

    def execute(self, context: Any) -> None:
        """Do nothing."""
