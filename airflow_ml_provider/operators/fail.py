"""The end of a run by failure."""

from __future__ import annotations

from typing import Any, NoReturn

from airflow_ml_provider._compat import AirflowFailException, BaseOperator


class FailOperator(BaseOperator):
    """Fail, and so the run; it is not tried again.

    :param message: why. (templated)
    """

    template_fields = ("message",)
    ui_color = "#f2b7b7"

    def __init__(self, *, message: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message

    def execute(self, context: Any) -> NoReturn:  # noqa: ARG002 - Airflow's signature
        """Fail.

        :raises AirflowFailException: always.
        """
        raise AirflowFailException(self.message)
