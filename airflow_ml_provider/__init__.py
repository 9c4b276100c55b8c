"""Machine-learning pipelines on AWS for Apache Airflow."""

__version__ = "0.1.0"
