"""One call of an AWS API that answers at once."""

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider._compat import AirflowFailException, BaseOperator
from airflow_ml_provider.operators.permanent import ends_for_good
from airflow_ml_provider.operators.staging import filled, staged
from airflow_ml_provider.operators.task_token import client_token, task_token
from airflow_ml_provider.targets.airflow_values import OWN_NAME, RESOURCE_NAME
from airflow_ml_provider.triggers.connection import AwsConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.pipeline.values import Code
    from airflow_ml_provider.plan.nodes import Resource

_STAGING_SECONDS = 600.0


class AwsCallOperator(BaseOperator):
    """Make one AWS API call and answer its response as small JSON.

    The string ``token:`` in the request becomes a token that is the same for every try of the
    task and new when a person clears it: put it into the call's client token. ``name:#own`` in it
    becomes a name of the same kind for what the call creates, which is left in the XCom
    ``resource_name``.

    :param service: name of the boto3 client, such as ``sns``.
    :param action: its method, such as ``publish``.
    :param request: the method's parameters. (templated)
    :param resource: what must be there before; it is created where it is missing. (templated)
    :param creates: that what the call creates is there already, from an earlier try, is success;
        the answer is then empty.
    :param code: local code by the placeholder that stands for its S3 address in ``request``.
    :param code_folder: where the files of ``code`` lie; by default where the DAG's file does.
    :param code_root: S3 prefix below which code is staged; by default the ``root`` of the
        section ``[airflow_ml_provider]``. (templated)
    :param attempts: how many of ``retries`` a failure of each class may use, as in
        ``RemoteJobOperator``.
    """

    template_fields = ("request", "resource_key", "resource_request", "code_root")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    ui_color = "#f4d142"

    def __init__(
        self,
        *,
        service: str,
        action: str,
        request: Mapping[str, Any],
        resource: Resource | None = None,
        creates: bool = False,
        code: Mapping[str, Code] | None = None,
        code_folder: str | None = None,
        code_root: str | None = None,
        attempts: Mapping[str, int] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.service = service
        self.action = action
        self.request = request
        self.resource = resource
        self.resource_key = dict(resource.key) if resource else {}
        self.resource_request = dict(resource.request) if resource else {}
        self.creates = creates
        self.code = code or {}
        self.code_folder = code_folder
        self.code_root = code_root
        self.attempts = attempts
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    @ends_for_good
    def execute(self, context: Any) -> dict[str, Any]:
        """Create the resource where it is missing, then make the call.

        :raises AirflowFailException: AWS would refuse a request; all problems are named.
        """
        from airflow_ml_provider.aws.api_call import (  # noqa: PLC0415 - imports botocore
            RefusedCallError,
            call,
        )

        aws = AwsConnection(self.aws_conn_id, self.region_name)
        client, token, name = aws.client(self.service), client_token(context), task_token(context)
        stands_for = staged(self, lambda: aws.client("s3"), time.time() + _STAGING_SECONDS)
        stands_for[OWN_NAME] = name
        resource = None
        if self.resource:
            resource = {
                "describe": self.resource.describe,
                "key": self.resource_key,
                "create": self.resource.create,
                "request": filled(self.resource_request, stands_for, token),
            }
        request = filled(self.request, stands_for, token)
        context["ti"].xcom_push(key=RESOURCE_NAME, value=name)
        try:
            answer = call(
                client, self.service, self.action, request, resource, creates=self.creates
            )
        except RefusedCallError as error:
            listed = "\n".join(f"  - {problem}" for problem in error.problems)
            message = f"AWS would refuse the request of {self.task_id!r}:\n{listed}"
            raise AirflowFailException(message) from error
        return {key: _plain(value) for key, value in answer.items() if key != "ResponseMetadata"}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return value
