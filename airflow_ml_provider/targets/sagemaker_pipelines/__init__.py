"""A plan as the definition of an Amazon SageMaker pipeline (schema version 2020-12-01)."""

from __future__ import annotations

from airflow_ml_provider.targets.sagemaker_pipelines.target import document, findings

__all__ = ["document", "findings"]
