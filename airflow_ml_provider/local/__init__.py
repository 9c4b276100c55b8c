"""AWS on localhost that really runs SageMaker, Glue and EMR Serverless jobs.

`LocalAws` (in `airflow_ml_provider.local.server`) is the whole of it; ``airflow-ml local`` runs it
from a shell. Needs the extra ``local``. Nothing in here knows pipelines or Airflow.
"""
