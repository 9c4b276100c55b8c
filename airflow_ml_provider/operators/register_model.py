"""A version in SageMaker's model registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider._compat import account
from airflow_ml_provider.operators.aws_call import AwsCallOperator
from airflow_ml_provider.pipeline.model_steps import Evaluation, RegisterModel, Training
from airflow_ml_provider.pipeline.values import JobField, Text, replace_values
from airflow_ml_provider.plan.calls import register_call
from airflow_ml_provider.plan.place import Place
from airflow_ml_provider.targets.airflow_values import Speller

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RegisterModelOperator(AwsCallOperator):
    """Register a model; its group is created where it is missing. See ``RegisterModel``.

    The XCom is ``{"ModelPackageArn": ...}``. A retry registers no second version.

    :param group: name of the model package group.
    :param model_data: the S3 address of ``model.tar.gz``. (templated)
    :param image_uri: the container that serves it.
    :param report: the S3 address of a model-quality report, which the registry shows. (templated)
    :param approval_status: ``PendingManualApproval``, ``Approved`` or ``Rejected``.
    :param overrides: merged last into the AWS request.
    """

    def __init__(
        self,
        *,
        task_id: str,
        group: str,
        model_data: str,
        image_uri: str,
        report: str | None = None,
        approval_status: str = "PendingManualApproval",
        content_types: Sequence[str] = ("text/csv",),
        response_types: Sequence[str] = ("text/csv",),
        description: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        step = RegisterModel(
            task_id,
            model=Training("model"),
            group=group,
            metrics=Evaluation("metrics") if report else None,
            image_uri=image_uri,
            approval_status=approval_status,
            content_types=tuple(content_types),
            response_types=tuple(response_types),
            description=description,
            overrides=overrides or {},
        )
        call = register_call(step, Place(account(), job_prefix="", outputs={}), after=())

        def given(value: Any) -> Any:
            # The request refers to two steps that a task alone doesn't have.
            if isinstance(value, JobField):
                return model_data
            return report if isinstance(value, Text) else value

        super().__init__(
            task_id=task_id,
            service=call.service,
            action=call.action,
            request=Speller().template(replace_values(call.request, given)),
            resource=call.resource,
            **kwargs,
        )
