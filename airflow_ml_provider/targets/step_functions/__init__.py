"""A plan as a state machine of AWS Step Functions, in Amazon States Language."""

from airflow_ml_provider.targets.step_functions.facts import name_prefixes
from airflow_ml_provider.targets.step_functions.findings import findings
from airflow_ml_provider.targets.step_functions.machine import document

__all__ = ["document", "findings", "name_prefixes"]
