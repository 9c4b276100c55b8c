"""A plan in, the document of an orchestrator out. Pure: no AWS, no Airflow, no network."""
