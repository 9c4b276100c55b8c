"""A Lambda function as a task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider._compat import AirflowException, BaseOperator
from airflow_ml_provider.operators.permanent import ends_for_good
from airflow_ml_provider.operators.staging import filled
from airflow_ml_provider.operators.task_token import client_token
from airflow_ml_provider.triggers.connection import AwsConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER_LATE_SECONDS = 30.0


class LambdaCallOperator(BaseOperator):
    """Invoke a Lambda function, wait for it and answer what it returns.

    Lambda has no token: a task whose worker dies invokes the function again. The string ``token:``
    in the payload becomes a token that is the same for every try of the task, by which the function
    can tell.

    :param function: its name or ARN. (templated)
    :param payload: JSON, or its text, in which templates keep their type:
        ``'{"depth": {{ params.depth | tojson }}}'``. (templated)
    :param timeout_seconds: how long the answer is waited for.
    :param attempts: how many of ``retries`` a failure of each class may use, as in
        ``RemoteJobOperator``.
    """

    template_fields = ("function", "payload")
    template_fields_renderers: ClassVar[dict[str, str]] = {"payload": "json"}
    ui_color = "#f4d142"

    def __init__(
        self,
        *,
        function: str,
        payload: Mapping[str, Any] | str | None = None,
        timeout_seconds: float = 900,
        attempts: Mapping[str, int] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.payload = payload or {}
        self.timeout_seconds = timeout_seconds
        self.attempts = attempts
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    @ends_for_good
    def execute(self, context: Any) -> Any:
        """Invoke the function.

        :raises AirflowFailException: AWS refused the call, or ``attempts`` are used up.
        :raises AirflowException: the function failed; the message is its own error.
        """
        payload = self.payload
        payload = json.loads(payload) if isinstance(payload, str) else payload
        payload = filled(payload, {}, client_token(context))
        # A call that is made again after a timeout would run the function twice.
        client = AwsConnection(self.aws_conn_id, self.region_name).client(
            "lambda",
            repeats=False,
            read_timeout_seconds=self.timeout_seconds + _ANSWER_LATE_SECONDS,
        )
        answer = client.invoke(FunctionName=self.function, Payload=json.dumps(payload).encode())
        text = answer["Payload"].read().decode()
        if answer.get("FunctionError"):
            raise AirflowException(f"{self.function} failed: {text}")
        return json.loads(text) if text else None
