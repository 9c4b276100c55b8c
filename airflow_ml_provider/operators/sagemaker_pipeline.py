"""An execution of a SageMaker pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.operators.remote_job import RemoteJobOperator

if TYPE_CHECKING:
    from collections.abc import Mapping


class SageMakerPipelineOperator(RemoteJobOperator):
    """Start one execution of a SageMaker pipeline and wait for it.

    The XCom has its ``PipelineExecutionArn``. The error of a failed one names its failed steps.

    :param pipeline_name: the pipeline, by its name or ARN. (templated)
    :param parameters: values of the pipeline's parameters by name. (templated)
    :param timeout_seconds: how long it may take; SageMaker has no limit of its own for it.
    :param overrides: merged last into the ``StartPipelineExecution`` request.
    """

    def __init__(
        self,
        *,
        pipeline_name: str,
        parameters: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        given = [{"Name": name, "Value": value} for name, value in (parameters or {}).items()]
        request = {"PipelineName": pipeline_name, "PipelineParameters": given, **(overrides or {})}
        super().__init__(kind="sagemaker_pipeline_execution", request=request, **kwargs)
