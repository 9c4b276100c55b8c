"""What a group of tasks is mapped over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import AirflowFailException, BaseOperator

if TYPE_CHECKING:
    from collections.abc import Sequence


class MapItemsOperator(BaseOperator):
    """Answer the items that a mapped group of tasks runs over, and log them.

    Inside the group an item is
    ``{{ ti.xcom_pull(task_ids="<this task>", map_indexes=-1)[ti.map_index] }}``.

    :param items: JSON values.
    :param param: the DAG's param that holds the items instead.
    """

    ui_color = "#cfe8f7"

    def __init__(
        self, *, items: Sequence[Any] | None = None, param: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if (items is None) == (param is None):
            raise ValueError(f"{self.task_id}: give either items= or param=")
        self.items = items
        self.param = param

    def execute(self, context: Any) -> list[Any]:
        """Give the items.

        :raises AirflowFailException: the param is no list.
        """
        items = self.items if self.param is None else context["params"][self.param]
        if not isinstance(items, (list, tuple)):
            message = f"params.{self.param} is {items!r}; a map runs over a list"
            raise AirflowFailException(message)
        for index, item in enumerate(items):
            self.log.info("%s: %s", index, json.dumps(item))
        return list(items)
