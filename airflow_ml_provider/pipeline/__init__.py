"""What a user writes: a pipeline of typed steps, plain values without any heavy import."""

from airflow_ml_provider.pipeline.account import Account
from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Comparison, Condition, Not
from airflow_ml_provider.pipeline.control_steps import Choice, Notify, RemoteJob
from airflow_ml_provider.pipeline.data_steps import EmrServerless, Glue, SparkTransform, SqlExtract
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.model_steps import (
    CategoricalRange,
    ContinuousRange,
    Evaluation,
    IntegerRange,
    Model,
    Processing,
    RegisterModel,
    Training,
    Transform,
    Tuning,
)
from airflow_ml_provider.pipeline.pipeline import Pipeline
from airflow_ml_provider.pipeline.step import Report, Retry, Step
from airflow_ml_provider.pipeline.values import (
    Dataset,
    JobField,
    Metric,
    Output,
    Parameter,
    Run,
    Text,
)

__all__ = [
    "Account",
    "AllOf",
    "AnyOf",
    "CategoricalRange",
    "Choice",
    "Comparison",
    "Condition",
    "ContinuousRange",
    "Dataset",
    "EmrServerless",
    "Evaluation",
    "Glue",
    "IntegerRange",
    "JobField",
    "Metric",
    "Model",
    "Not",
    "Notify",
    "Output",
    "Parameter",
    "Pipeline",
    "PipelineError",
    "Processing",
    "RegisterModel",
    "RemoteJob",
    "Report",
    "Retry",
    "Run",
    "SparkTransform",
    "SqlExtract",
    "Step",
    "Text",
    "Training",
    "Transform",
    "Tuning",
]
