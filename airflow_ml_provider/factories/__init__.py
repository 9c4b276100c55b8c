"""Pipelines as Airflow DAGs: one call each."""

from airflow_ml_provider.factories.pipeline_dag import document_dag, pipeline_dag
from airflow_ml_provider.factories.training import training_dag

__all__ = ["document_dag", "pipeline_dag", "training_dag"]
