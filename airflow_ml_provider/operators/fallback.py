"""What runs in the place of a task that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import (
    AirflowFailException,
    BaseOperator,
    SkipMixin,
    skip_all_but,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class FallbackOperator(BaseOperator, SkipMixin):
    """Let the tasks of ``fallback`` run if the task ``of`` failed; skip them if it ended well.

    It fails if that task never started because of another one's failure: a fallback is for its
    own. Give it the trigger rule ``none_skipped``, under which it follows the task however it
    ended; the failed task is then no last one of the run, whose state the fallback decides. What
    comes after both takes this task and the fallback's last ones as upstream, with the trigger
    rule ``none_failed_min_one_success``.

    :param of: id of the task.
    :param fallback: ids of the fallback's first tasks; they must follow this task directly.
    """

    inherits_from_skipmixin = True
    ui_color = "#f4e1d2"

    def __init__(
        self,
        *,
        of: str,
        fallback: Sequence[str],
        trigger_rule: str = "none_skipped",
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=trigger_rule, **kwargs)
        self.of = of
        self.fallback = list(fallback)

    def execute(self, context: Any) -> str:
        """Decide, and answer the state of the task.

        :raises AirflowFailException: the task could not start.
        """
        ti = context["ti"]
        state = state_of(ti, self.of)
        if state == "failed":
            self.log.info("%s failed: %s run.", self.of, ", ".join(self.fallback))
            return state
        if state != "success":
            message = f"{self.of} is {state or 'unknown'}: what it waits for did not end well."
            raise AirflowFailException(message)
        # Airflow 3 skips by raising, so the result would never be returned.
        ti.xcom_push(key="return_value", value=state)
        skip_all_but(self, ti, set(self.downstream_task_ids) - set(self.fallback))
        return state
