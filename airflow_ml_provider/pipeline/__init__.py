"""What a user writes: a pipeline of typed steps, plain values without any heavy import."""

from airflow_ml_provider.pipeline.account import Account
from airflow_ml_provider.pipeline.call_steps import AwsCall, LambdaCall
from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Comparison, Condition, Not
from airflow_ml_provider.pipeline.control_steps import (
    Approval,
    Choice,
    Fail,
    Map,
    Notify,
    RemoteJob,
)
from airflow_ml_provider.pipeline.data_steps import (
    EmrServerless,
    Glue,
    GluePythonShell,
    SparkTransform,
    SqlExtract,
)
from airflow_ml_provider.pipeline.errors import PipelineError
from airflow_ml_provider.pipeline.extract_checks import InRange, NotNull, RowCount, Unique
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
    Item,
    JobField,
    Metric,
    Output,
    Parameter,
    Run,
    Text,
    Token,
)

__all__ = [
    "Account",
    "AllOf",
    "AnyOf",
    "Approval",
    "AwsCall",
    "CategoricalRange",
    "Choice",
    "Comparison",
    "Condition",
    "ContinuousRange",
    "Dataset",
    "EmrServerless",
    "Evaluation",
    "Fail",
    "Glue",
    "GluePythonShell",
    "InRange",
    "IntegerRange",
    "Item",
    "JobField",
    "LambdaCall",
    "Map",
    "Metric",
    "Model",
    "Not",
    "NotNull",
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
    "RowCount",
    "Run",
    "SparkTransform",
    "SqlExtract",
    "Step",
    "Text",
    "Token",
    "Training",
    "Transform",
    "Tuning",
    "Unique",
]
